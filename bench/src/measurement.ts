import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { assertTaken, type BenchValues } from './options.ts';

/** The frame of a command that measures: how long it goes on, and where its figures go. */
export interface Measurement {
  /** A smoke run. Such a run judges no figure. */
  isQuick: boolean;
  rounds: number;
  log: (line: string) => void;
  /** Writes the figures where `--json` says, if it was given. */
  write: (figures: object) => void;
}

/** @throws UsageError for an option that the command does not take */
export function openMeasurement(
  values: BenchValues,
  {
    name,
    takes,
    rounds,
    quickRounds = 1,
  }: {
    name: string;
    takes: readonly (keyof BenchValues)[];
    rounds: number;
    quickRounds?: number;
  },
): Measurement {
  assertTaken(name, values, takes);
  const isQuick = values.quick === true;
  return {
    isQuick,
    rounds: values.rounds ?? (isQuick ? quickRounds : rounds),
    log: (line) => {
      console.log(line);
    },
    write: (figures) => {
      if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
    },
  };
}

/** How many processes of this machine wanted to run in the last minute, on average. */
export const loadAverage = (): number => loadavg()[0] ?? 0;
