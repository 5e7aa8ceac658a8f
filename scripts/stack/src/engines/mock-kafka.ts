/**
 * Runs librdkafka's mock cluster through Debian's kcat. The mock cluster lives in memory, for a machine where
 * no Kafka can be had. CI never uses it.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../machine/children.ts';
import { engineEnv } from './engine.ts';
import type { StartContext, Program } from './engine.ts';
import { StackError } from '../errors.ts';
import { installPackages } from '../machine/install.ts';
import { findProgram } from '../machine/programs.ts';
import type { Log } from '../machine/progress.ts';

const READY_MS = 10_000;

const WARNING = `
*** SECKILL_ALLOW_MOCK_KAFKA=1: this is NOT Apache Kafka but kcat's mock cluster.
*** It keeps everything in memory: what it confirms is lost when it ends. It proves nothing about durability.
`;

async function prepare(
  kcat: string,
  { folder, logFile, log }: StartContext,
): Promise<Awaited<ReturnType<Program['prepare']>>> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    async launch() {
      log(WARNING);
      const args = ['-C', '-b', 'x', '-t', 'keepalive', '-X', 'test.mock.num.brokers=1', '-d', 'mock'];
      const child = await startChild({
        name: 'kafka',
        command: kcat,
        args,
        env: engineEnv(),
        output: { file: logFile },
      });
      const deadline = performance.now() + READY_MS;
      while (child.isRunning() && performance.now() < deadline) {
        const text = existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
        const url = /bootstrap\.servers=([\d.:,]+)/.exec(text)?.[1];
        if (url !== undefined) return { url, child };
        await sleep(50);
      }
      await child.stop();
      throw new StackError('SECKILL_STACK_ENGINE', 'kcat did not start its mock cluster');
    },
  };
}

export async function findMock(log: Log): Promise<Program | undefined> {
  if (findProgram('kcat') === undefined) await installPackages(['kcat'], log);
  const kcat = findProgram('kcat');
  return kcat === undefined ? undefined : { origin: 'mock', prepare: (context) => prepare(kcat, context) };
}
