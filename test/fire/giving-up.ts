/** How kafkajs gives up, which is known (docs/reliability.md, "What it found") and no other death. */
import { readFileSync, statSync } from 'node:fs';

const FATAL = '{"level":60,';
const MESSAGE = 'Broker not connected';

/** Where the next line of a log will stand: all processes of a name append to one, one after the other. */
export function endOf(log: string): number {
  return statSync(log, { throwIfNoEntry: false })?.size ?? 0;
}

/** @param from where the process began to write: what others of its name said before is not its reason. */
export function didGiveUp(log: string, from: number): boolean {
  const lines = readFileSync(log).subarray(from).toString('utf8').split('\n');
  const last = lines.findLast((line) => line.startsWith(FATAL));
  return last !== undefined && messageOf(last) === MESSAGE;
}

/** @returns undefined of a line that was not written to its end. */
function messageOf(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { err?: { message?: string } }).err?.message;
  } catch {
    return undefined;
  }
}
