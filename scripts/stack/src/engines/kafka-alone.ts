/**
 * Starts one Kafka by itself with the caller's settings, for tests of what the engines of a stack do not
 * have.
 */
import { startProgram } from './engine-source.ts';
import { makeFolder } from '../machine/folders.ts';
import { findKafka } from './kafka.ts';
import type { Extend } from './kafka.ts';
import type { Log } from '../machine/progress.ts';

export interface KafkaAlone {
  /** The address of its plain listener. */
  url: string;
  origin: string;
  /** Undefined while it is killed. */
  pid: number | undefined;
  /** Sends SIGKILL, as a crash would. The data stays. */
  kill(): Promise<void>;
  /** Starts a killed Kafka again with the same data and the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @returns undefined where no Kafka can be had as a program of this machine. `startKafka` throws as
 * `startEngines` does.
 */
export async function startKafka(
  name: string,
  extend: Extend,
  log: Log = () => undefined,
): Promise<KafkaAlone | undefined> {
  const program = await findKafka(log, extend);
  if (program === undefined) return undefined;
  const folder = makeFolder(name);
  try {
    const running = await startProgram({ name: 'kafka' }, program, folder.path, name, log);
    return {
      url: running.url,
      origin: running.origin,
      get pid() {
        return running.child?.isRunning() === true ? running.child.pid : undefined;
      },
      async kill() {
        running.child?.killGroup('SIGKILL');
        await running.child?.exited;
      },
      async restart() {
        Object.assign(running, await running.launch?.());
      },
      async stop() {
        await running.child?.stop();
        folder.remove();
      },
    };
  } catch (error) {
    folder.remove();
    throw error;
  }
}
