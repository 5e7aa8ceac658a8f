import { fork } from 'node:child_process';
import { join } from 'node:path';
import { BENCH_ROOT } from '../folders.ts';
import type { FromRaw, ToRaw } from './raw-process.ts';
import type { RawLoad, RawResult } from './raw-client.ts';

export interface RawProcess {
  pid: number;
  /** @throws Error when the client failed or hangs. */
  run(durationMs: number): Promise<RawResult>;
  stop(): void;
}

/** The time allowed beyond a window's own length. */
const SLACK_MS = 30_000;

/** Starts a raw client in a process of its own and waits until its connections are open. */
export async function startRawProcess(load: RawLoad): Promise<RawProcess> {
  const child = fork(join(BENCH_ROOT, 'dist/src/generator/raw-process.js'), [], {
    serialization: 'advanced',
    execArgv: [],
  });
  const ask = (message: ToRaw, waitMs: number) =>
    new Promise<FromRaw>((resolve, reject) => {
      const end = (act: () => void) => {
        clearTimeout(late);
        child.off('message', onMessage);
        child.off('exit', onExit);
        act();
      };
      const fail = (why: string) => {
        end(() => {
          reject(new Error(`the raw client ${why}`));
        });
      };
      const onMessage = (answer: FromRaw) => {
        if (answer.kind === 'failed') fail(`failed: ${answer.text}`);
        else
          end(() => {
            resolve(answer);
          });
      };
      const onExit = () => {
        fail('ended early');
      };
      const late = setTimeout(() => {
        fail('did not answer in time');
      }, waitMs);
      child.on('message', onMessage);
      child.on('exit', onExit);
      child.send(message);
    });
  const stop = () => {
    child.kill('SIGKILL');
  };
  try {
    await ask({ kind: 'open', load }, SLACK_MS);
  } catch (error) {
    stop();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    async run(durationMs) {
      const answer = await ask({ kind: 'run', durationMs }, durationMs + SLACK_MS);
      if (answer.kind !== 'result') throw new Error(`the raw client answered ${answer.kind}`);
      return answer.result;
    },
    stop,
  };
}
