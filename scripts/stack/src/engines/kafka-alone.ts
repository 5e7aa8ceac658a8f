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
  stop(): Promise<void>;
}

/**
 * @returns undefined where no Kafka can be had as a program of this machine. It throws as `startEngines`
 * does.
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
    const { url, origin, child } = await startProgram({ name: 'kafka' }, program, folder.path, name, log);
    const stop = async (): Promise<void> => {
      await child?.stop();
      folder.remove();
    };
    return { url, origin, stop };
  } catch (error) {
    folder.remove();
    throw error;
  }
}
