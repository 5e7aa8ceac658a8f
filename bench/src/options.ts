import { UsageError } from '@seckill/stack';

export const OPTIONS = {
  name: { type: 'string' },
  target: { type: 'string' },
  secret: { type: 'string' },
  redis: { type: 'string' },
  kafka: { type: 'string' },
  postgres: { type: 'string' },
  duration: { type: 'string' },
  rate: { type: 'string' },
  arrivals: { type: 'string' },
  connections: { type: 'string' },
  buyers: { type: 'string' },
  factor: { type: 'string' },
  seed: { type: 'string' },
  p99: { type: 'string' },
  'error-rate': { type: 'string' },
  'order-lag-p99': { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** As `parseArgs` gives them. */
export type Values = {
  -readonly [Name in keyof typeof OPTIONS]?: (typeof OPTIONS)[Name]['type'] extends 'boolean'
    ? boolean
    : string;
};

/**
 * An option that a command does not heed is wrong usage: a tester would believe that it was heeded.
 * @throws UsageError that names it.
 */
export function assertTaken(command: string, values: Values, taken: readonly (keyof Values)[]): void {
  const vain = (Object.keys(values) as (keyof Values)[]).find((name) => !taken.includes(name));
  if (vain === undefined) return;
  const others = taken.length === 0 ? '' : `, only ${taken.map((name) => `--${name}`).join(' ')}`;
  throw new UsageError(`${command} takes no --${vain}${others}`);
}

/** Lowest and highest that make sense; beyond them it is a slip of the finger. */
const BOUNDS = {
  duration: [1, 86_400],
  rate: [1, 100_000],
  connections: [1, 4_096],
  buyers: [1, 1_000_000],
  factor: [0.1, 600],
  seed: [0, 2 ** 31],
  p99: [0, 60_000],
  'error-rate': [0, 1],
  'order-lag-p99': [0, 600_000],
  rounds: [1, 100],
} as const;

export type Numbers = { -readonly [Name in keyof typeof BOUNDS]?: number };

/** @throws UsageError that names the option. */
export function readNumbers(values: Values): Numbers {
  const numbers: Numbers = {};
  for (const [name, [min, max]] of Object.entries(BOUNDS) as [
    keyof typeof BOUNDS,
    readonly [number, number],
  ][]) {
    const text = values[name];
    if (text === undefined) continue;
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < min || value > max) {
      throw new UsageError(`--${name} must be a number from ${min} to ${max}`);
    }
    numbers[name] = value;
  }
  return numbers;
}
