import { readdirSync, readFileSync } from 'node:fs';

/** What a process did since it began. Linux only: other systems have no such files. */
export interface Work {
  /** CPU of all its threads in µs, by the scheduler's own clock, which counts in ns. */
  cpuUs: number;
  /** How much of it was spent in the kernel, as a share of the ticks of 10 ms. */
  userTicks: number;
  systemTicks: number;
  /** How long its threads could have run and had no core, in µs. */
  waitUs: number;
  /** How often a thread gave its core up (voluntary) or lost it. */
  switches: number;
}

/** @throws Error when the process has ended. */
export function readWork(pid: number): Work {
  const work: Work = { cpuUs: 0, userTicks: 0, systemTicks: 0, waitUs: 0, switches: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    try {
      const [cpuNs = '0', waitNs = '0'] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ');
      work.cpuUs += Number(cpuNs) / 1_000;
      work.waitUs += Number(waitNs) / 1_000;
      const status = readFileSync(`${folder}/status`, 'utf8');
      for (const [, count] of status.matchAll(/ctxt_switches:\s+(\d+)/g)) work.switches += Number(count);
    } catch {
      // The thread has ended since it was listed.
    }
  }
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Fields 14 and 15 of `man 5 proc`; the third is the first behind the name.
  work.userTicks = Number(fields[11]);
  work.systemTicks = Number(fields[12]);
  return work;
}

export function workBetween(before: Work, after: Work): Work {
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    userTicks: after.userTicks - before.userTicks,
    systemTicks: after.systemTicks - before.systemTicks,
    waitUs: after.waitUs - before.waitUs,
    switches: after.switches - before.switches,
  };
}
