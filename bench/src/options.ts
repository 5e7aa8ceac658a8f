/** The options of `npm run bench`: what each of them wants, and a check that none is given in vain. */
import {
  address,
  anyNumber,
  flag,
  hostsAndPorts,
  oneOf,
  origin,
  outputFile,
  outputFolder,
  someOf,
  stackName,
  UsageError,
  wholeNumber,
  words,
  type Values,
} from '@seckill/runtime';
import { FIGURES } from './compare/figures.ts';
import { STEADY_SHAPES } from './scenarios/load/load.ts';

/** The options. A number beyond its bounds is a slip of the finger. */
export const OPTIONS = {
  name: stackName,
  target: origin('http', 'https'),
  secret: words,
  redis: address('redis', 'rediss'),
  kafka: hostsAndPorts,
  postgres: address('postgres', 'postgresql'),
  duration: anyNumber(1, 86_400),
  rate: anyNumber(1, 100_000),
  arrivals: oneOf(STEADY_SHAPES),
  connections: wholeNumber(1, 4_096),
  buyers: wholeNumber(1, 1_000_000),
  listeners: wholeNumber(1, 20_000),
  factor: anyNumber(0.1, 600),
  seed: wholeNumber(0, 2 ** 31),
  p99: anyNumber(0, 60_000),
  'error-rate': anyNumber(0, 1),
  'order-lag-p99': anyNumber(0, 600_000),
  rounds: wholeNumber(1, 100),
  only: someOf(
    'figure',
    FIGURES.map(({ name }) => name),
  ),
  quick: flag,
  json: outputFile,
  out: outputFolder,
};

export type BenchValues = Values<typeof OPTIONS>;

/**
 * Refuses an option that the command does not heed, because a tester would believe that it was heeded.
 * @throws UsageError that names the option.
 */
export function assertTaken(
  command: string,
  values: BenchValues,
  taken: readonly (keyof BenchValues)[],
): void {
  const vain = (Object.keys(values) as (keyof BenchValues)[]).find((name) => !taken.includes(name));
  if (vain === undefined) return;
  const others = taken.length === 0 ? '' : `, only ${taken.map((name) => `--${name}`).join(' ')}`;
  throw new UsageError(`${command} takes no --${vain}${others}`);
}
