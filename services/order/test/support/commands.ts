import { fileURLToPath } from 'node:url';
import { CommandRunner, type Ended } from '@seckill/testing';
import t from 'tap';

/** The Kafka that the commands of a test are given. */
export const KAFKA_BROKERS = process.env['KAFKA_BROKERS'] ?? '';

/** The built file of a command. */
export const fileOf = (program: string): string =>
  fileURLToPath(new URL(`../../dist/commands/${program}.js`, import.meta.url));

export type RunCommand = (program: string, args: string[], env: Record<string, string>) => Promise<Ended>;

/** Runs built commands in one process, which stays until the file of the test ends. */
export function startCommands(): RunCommand {
  const commands = new CommandRunner();
  t.teardown(() => commands.stop());
  return (program, args, env) =>
    commands.run(fileOf(program), args, { PATH: process.env['PATH'] ?? '', ...env });
}
