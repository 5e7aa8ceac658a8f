/**
 * What the nemesis does, drawn from a seed alone: the same seed plans the same faults in the same order, at
 * the same moments of their round, whatever the machine is doing.
 */
import { pick } from '../../bench/src/random.ts';
import { HURTS, type Hurt } from './link.ts';

export type FaultKind =
  | 'killed'
  | 'frozen'
  | Hurt
  | 'emptied'
  | 'old AOF put back'
  | 'AOF cut'
  | 'connections killed'
  | 'backends ended';

export interface Fault {
  kind: FaultKind;
  /** A process, an engine, or a way such as `stock-1 > redis`. */
  target: string;
  /** ms after its round began. */
  at: number;
  /** How long it lasts, in ms. */
  lasts: number;
  /** ms in each direction, of a `delay`. */
  delay: number;
}

const FAULTS_MAX = 3;
const OFFSET_MS = 2_000;

interface Targets {
  processes: string[];
  ways: string[];
}

/** Short ones more often than long ones; the longest are beyond every lease and session (10 s). */
const draw = (random: () => number, least: number, most: number): number =>
  Math.round(least + (most - least) * random() ** 2);

const kinds: Record<'redis' | 'postgres' | 'kafka', [FaultKind, number, number][]> = {
  redis: [
    ['killed', 0, 4_000],
    ['frozen', 300, 5_000],
    ['emptied', 0, 0],
    ['old AOF put back', 500, 3_000],
    ['AOF cut', 0, 500],
    ['connections killed', 0, 0],
  ],
  postgres: [
    ['killed', 0, 5_000],
    ['backends ended', 0, 0],
  ],
  kafka: [
    ['killed', 0, 8_000],
    ['frozen', 500, 9_000],
  ],
};

function drawFault(random: () => number, { processes, ways }: Targets): Fault {
  const where = random();
  const at = Math.round(OFFSET_MS * random());
  const delay = draw(random, 20, 600);
  if (where < 0.35) {
    const target = pick(random, processes);
    const isKill = random() < 0.5;
    const lasts = isKill ? draw(random, 0, 4_000) : draw(random, 300, 13_000);
    return { kind: isKill ? 'killed' : 'frozen', target, at, lasts, delay };
  }
  if (where < 0.6) {
    const kind = pick(random, HURTS);
    return { kind, target: pick(random, ways), at, lasts: draw(random, 300, 7_000), delay };
  }
  const target = where < 0.82 ? 'redis' : where < 0.91 ? 'postgres' : 'kafka';
  const [kind, least, most] = pick(random, kinds[target]);
  return { kind, target, at, lasts: draw(random, least, most), delay };
}

/** One to three faults at a time, no two of one target. */
export function drawRound(random: () => number, targets: Targets): Fault[] {
  const count = 1 + Math.floor(FAULTS_MAX * random());
  const faults = new Map<string, Fault>();
  for (let index = 0; index < count; index += 1) {
    const fault = drawFault(random, targets);
    if (!faults.has(fault.target)) faults.set(fault.target, fault);
  }
  return [...faults.values()];
}

export function describeFault({ kind, target, at, lasts }: Fault): string {
  return `${target} ${kind} at ${at} ms${lasts === 0 ? '' : ` for ${lasts} ms`}`;
}
