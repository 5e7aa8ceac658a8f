import { readFileSync } from 'node:fs';
import { mannWhitney, median, ratioInterval } from '../statistics.ts';

/** One in a hundred: several names are compared at once. */
const CHANCE_MAX = 0.01;
/** Less is not worth a word, however sure. */
const CHANGE_MIN = 0.02;
/** With fewer even the clearest difference has a chance of more than one in a hundred: 2 / C(10, 5) = 0.008. */
const SAMPLES_MIN = 5;

export interface Difference {
  name: string;
  left: number;
  right: number;
  /** Right to left. */
  ratio: number;
  interval: [number, number];
  chance: number;
  verdict: 'higher' | 'lower' | 'same' | 'too few samples';
}

/** Of each name that both have. */
export function compareSamples(
  left: Record<string, number[]>,
  right: Record<string, number[]>,
): Difference[] {
  return Object.entries(left).flatMap(([name, values]) => {
    const others = right[name];
    if (others === undefined || values.length === 0 || others.length === 0) return [];
    const [before, after] = [median(values), median(others)];
    const chance = mannWhitney(values, others);
    const ratio = after / before;
    const isFew = Math.min(values.length, others.length) < SAMPLES_MIN;
    const isDifferent = chance < CHANCE_MAX && Math.abs(ratio - 1) >= CHANGE_MIN;
    const verdict = isFew ? 'too few samples' : !isDifferent ? 'same' : ratio > 1 ? 'higher' : 'lower';
    return [
      { name, left: before, right: after, ratio, interval: ratioInterval(values, others), chance, verdict },
    ];
  });
}

/** A Markdown table. @throws Error for a file that is no summary of ours. */
export function diffFiles(leftFile: string, rightFile: string): string[] {
  const differences = compareSamples(readSamples(leftFile), readSamples(rightFile));
  if (differences.length === 0) throw new Error('the two files measure nothing in common');
  return [
    '| name | A | B | B / A | 95 % interval | p | B is |',
    '|---|---|---|---|---|---|---|',
    ...differences.map(
      ({ name, left, right, ratio, interval, chance, verdict }) =>
        `| ${name} | ${round(left)} | ${round(right)} | ${ratio.toFixed(3)} | ${interval[0].toFixed(3)} – ${interval[1].toFixed(3)} | ${chance.toFixed(4)} | ${verdict} |`,
    ),
  ];
}

const round = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

function readSamples(file: string): Record<string, number[]> {
  const { schemaVersion, samples } = JSON.parse(readFileSync(file, 'utf8')) as {
    schemaVersion?: unknown;
    samples?: Record<string, number[]>;
  };
  if (schemaVersion !== 1 || samples === undefined) throw new Error(`${file} is no summary of this bench`);
  return samples;
}
