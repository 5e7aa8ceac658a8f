import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, startChild, type Child } from '@seckill/stack';
import { Pool } from 'undici';
import { BENCH_ROOT } from '../folders.ts';

const READY_MS = 30_000;

/** Starts a program of `baselines/` and waits until it answers. The caller stops what is in `children`. */
export async function startBaseline(
  name: string,
  env: Record<string, string>,
  children: Child[],
): Promise<{ url: string; child: Child }> {
  const [port] = (await freePorts(1)) as [number];
  const child = await startChild({
    name,
    command: process.execPath,
    args: [join(BENCH_ROOT, 'dist/baselines', `${name}.js`)],
    env: { ...process.env, ...env, HOST: '127.0.0.1', PORT: String(port) },
    output: 'inherit',
  });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  const http = new Pool(url, { connections: 1 });
  const deadline = performance.now() + READY_MS;
  try {
    for (;;) {
      const status = await http.request({ method: 'GET', path: '/readyz' }).then(
        async ({ statusCode, body }) => {
          await body.dump();
          return statusCode;
        },
        () => 0,
      );
      if (status === 200) return { url, child };
      if (!child.isRunning() || performance.now() > deadline) throw new Error(`${name} does not start`);
      await sleep(50);
    }
  } finally {
    await http.destroy();
  }
}
