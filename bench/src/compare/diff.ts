/** `npm run bench -- diff A.json B.json`: which measurements of two results differ. */
import { readFileSync } from 'node:fs';
import { inputFile, print, UsageError } from '@seckill/runtime';
import { assertTaken, type BenchValues } from '../options.ts';
import { mannWhitney, median, ratioInterval } from '../statistics.ts';

/** The versions of results whose samples mean the same. */
const VERSIONS: unknown[] = [1, 2];
/**
 * A difference counts when chance alone explains it in fewer than one case in a hundred. The limit is this
 * low because several names are compared at once.
 */
const CHANCE_MAX = 0.01;
/** A smaller change is not worth a word, however sure it is. */
const CHANGE_MIN = 0.02;
/**
 * With fewer samples even the clearest difference has a chance of more than one in a hundred. Five samples a
 * side give 2 / C(10, 5) = 0.008.
 */
const SAMPLES_MIN = 5;

export interface Difference {
  name: string;
  left: number;
  right: number;
  /**
   * The right value divided by the left. The ratio is null where none exists: a burst has seconds of 0, and
   * so medians of 0.
   */
  ratio: number | null;
  interval: [number, number] | null;
  chance: number;
  verdict: 'higher' | 'lower' | 'same' | 'too few samples';
}

/** Compares each name that both results have. */
export function compareSamples(
  left: Record<string, number[]>,
  right: Record<string, number[]>,
): Difference[] {
  return Object.entries(left).flatMap(([name, values]) => {
    const others = Object.hasOwn(right, name) ? (right[name] ?? []) : [];
    return values.length === 0 || others.length === 0 ? [] : [compareOne(name, values, others)];
  });
}

function compareOne(name: string, values: number[], others: number[]): Difference {
  const [before, after] = [median(values), median(others)];
  const chance = mannWhitney(values, others);
  // Every change from 0 counts as large.
  const change = after === before ? 0 : before === 0 ? Infinity : Math.abs(after / before - 1);
  const isFew = Math.min(values.length, others.length) < SAMPLES_MIN;
  const isSame = chance >= CHANCE_MAX || change < CHANGE_MIN;
  const verdict = isFew ? 'too few samples' : isSame ? 'same' : after > before ? 'higher' : 'lower';
  const ratio = before === 0 ? null : after / before;
  return {
    name,
    left: before,
    right: after,
    ratio,
    interval: ratioInterval(values, others),
    chance,
    verdict,
  };
}

/**
 * Compares two result files.
 * @returns the lines of a Markdown table.
 * @throws UsageError for a file that is not a result of ours, and when the two files have nothing in common.
 */
export function diffFiles(leftFile: string, rightFile: string): string[] {
  const differences = compareSamples(readSamples(leftFile), readSamples(rightFile));
  if (differences.length === 0) throw new UsageError('the two files measure nothing in common');
  return [
    '| name | A | B | B / A | 95 % interval | p | B is |',
    '|---|---|---|---|---|---|---|',
    ...differences.map(
      ({ name, left, right, ratio, interval, chance, verdict }) =>
        `| ${name} | ${round(left)} | ${round(right)} | ${ratio?.toFixed(3) ?? '-'} | ` +
        `${interval?.map((bound) => bound.toFixed(3)).join(' – ') ?? '-'} | ${chance.toFixed(4)} | ${verdict} |`,
    ),
  ];
}

const round = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

function readSamples(file: string): Record<string, number[]> {
  const path = pathOf(file);
  try {
    const { schemaVersion, samples } = JSON.parse(readFileSync(path, 'utf8')) as {
      schemaVersion?: unknown;
      samples?: Record<string, number[]>;
    };
    if (VERSIONS.includes(schemaVersion) && isSamples(samples)) return samples;
  } catch (error) {
    throw new UsageError(`${file} is no result of this bench`, error);
  }
  throw new UsageError(`${file} is no result of this bench`);
}

function pathOf(file: string): string {
  try {
    return inputFile.read(file);
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${file} ${error.message}`, error) : error;
  }
}

function isSamples(value: unknown): value is Record<string, number[]> {
  const isNumbers = (list: unknown): boolean => Array.isArray(list) && list.every(Number.isFinite);
  return typeof value === 'object' && value !== null && Object.values(value).every(isNumbers);
}

/** Prints the differences of two files. @throws UsageError for wrong options or files. */
export function diff(values: BenchValues, files: string[]): number {
  assertTaken('diff', values, []);
  const [left, right, ...more] = files;
  if (left === undefined || right === undefined || more.length > 0) {
    throw new UsageError('diff wants two summary files');
  }
  for (const line of diffFiles(left, right)) print(line);
  return 0;
}
