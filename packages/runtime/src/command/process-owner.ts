/**
 * Who holds a name or a data folder. The owner is a pid with the moment it started, because a number alone is
 * given again.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface Owner {
  pid: number;
  started: string;
}

interface Status {
  parent: number;
  state: string;
  started: string;
  command: string;
}

/** Parent, state and start of a process; undefined when there is none. */
export function readProcess(pid: number): Status | undefined {
  try {
    if (existsSync('/proc/self/stat')) {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the command in parentheses and may hold spaces: fields are counted after the last
      // one.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const command = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
      return { state: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] ?? '', command };
    }
    const text = execFileSync('/bin/ps', ['-o', 'ppid=,state=,lstart=,comm=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // lstart has five words ("Sun Nov 22 11:02:38 2026").
    const words = text.trim().split(/\s+/);
    const command = words.slice(7).join(' ').split('/').at(-1) ?? '';
    return { parent: Number(words[0]), state: words[1] ?? '', started: words.slice(2, 7).join(' '), command };
  } catch {
    return undefined;
  }
}

export function ownerOf(pid: number): Owner {
  return { pid, started: readProcess(pid)?.started ?? '' };
}

export function isAlive(owner: Owner): boolean {
  const status = readProcess(owner.pid);
  return status !== undefined && status.started === owner.started && !status.state.startsWith('Z');
}

/** Undefined when the file is absent or half written (its writer died). */
export function readOwner(file: string): Owner | undefined {
  try {
    return parseOwner(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Undefined for what is no owner. */
export function parseOwner(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner> | null;
    return typeof value?.pid === 'number' && typeof value.started === 'string'
      ? { pid: value.pid, started: value.started }
      : undefined;
  } catch {
    return undefined;
  }
}
