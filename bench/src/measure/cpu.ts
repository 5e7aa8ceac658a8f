import { readdirSync, readFileSync } from 'node:fs';

/**
 * Linux counts processor time in ticks of USER_HZ. There are 100 a second on every architecture that Node
 * runs on (man 5 proc).
 */
const TICKS_PER_SECOND = 100;

interface Process {
  parent: number;
  seconds: number;
  rssBytes: number;
}

export interface ProcessUse {
  cpuSeconds: number;
  rssBytes: number;
}

/**
 * Reads what each process has used so far, its children included (PostgreSQL works in children). A process
 * that cannot be read is left out, such as one in a container or on another machine. The figures exist on
 * Linux only; elsewhere the result is empty.
 */
export function readUse(pids: Record<string, number>): Record<string, ProcessUse> {
  const processes = readProcesses();
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of processes) {
    const siblings = children.get(parent) ?? [];
    siblings.push(pid);
    children.set(parent, siblings);
  }
  const use: Record<string, ProcessUse> = {};
  for (const [name, pid] of Object.entries(pids)) {
    if (!processes.has(pid)) continue;
    const sum: ProcessUse = { cpuSeconds: 0, rssBytes: 0 };
    // A tree of processes is finite; the queue holds each once.
    const queue = [pid];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const one = processes.get(next);
      sum.cpuSeconds += one?.seconds ?? 0;
      sum.rssBytes += one?.rssBytes ?? 0;
      queue.push(...(children.get(next) ?? []));
    }
    use[name] = sum;
  }
  return use;
}

function readProcesses(): Map<number, Process> {
  const processes = new Map<number, Process>();
  let entries: string[];
  try {
    entries = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  } catch {
    return processes;
  }
  for (const entry of entries) {
    try {
      processes.set(Number(entry), parseStat(readFileSync(`/proc/${entry}/stat`, 'utf8')));
    } catch {
      // The process has ended since it was listed.
    }
  }
  return processes;
}

/**
 * Reads fields 4, 14–17 and 24 of `/proc/<pid>/stat`. The name in parentheses may hold spaces. Pages are 4 kB
 * each.
 */
export function parseStat(text: string): Process {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  // User and system time, of the process itself and of children that ended.
  const ticks = field(14) + field(15) + field(16) + field(17);
  return { parent: field(4), seconds: ticks / TICKS_PER_SECOND, rssBytes: field(24) * 4_096 };
}

/** CPU seconds spent between two readings, by process. */
export function spentBetween(
  before: Record<string, ProcessUse>,
  after: Record<string, ProcessUse>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).flatMap(([name, { cpuSeconds }]) => {
      const earlier = before[name];
      return earlier === undefined ? [] : [[name, Math.max(0, cpuSeconds - earlier.cpuSeconds)]];
    }),
  );
}
