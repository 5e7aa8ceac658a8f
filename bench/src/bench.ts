/** `npm run bench`: runs one load with its verdict, a comparison, or the difference of two results. */
import { runCommand, UsageError } from '@seckill/runtime';
import { afterSale } from './after-sale/after-sale.ts';
import { answers } from './answers/answers.ts';
import { cold } from './cold/cold.ts';
import { compare } from './compare/compare.ts';
import { diff } from './compare/diff.ts';
import { events } from './events/events.ts';
import { growth } from './growth/growth.ts';
import { HELP } from './help.ts';
import { idle } from './idle/idle.ts';
import { OPTIONS, type BenchValues } from './options.ts';
import { LOAD_SCENARIOS } from './scenarios/index.ts';
import { runLoad } from './run/run-command.ts';
import { telemetry } from './telemetry/telemetry.ts';

/** The most words that a command takes: `diff` and two files. */
const WORDS_MAX = 3;

async function main(values: BenchValues, [command, ...rest]: string[]): Promise<number> {
  if (command === undefined) throw new UsageError('a scenario is needed, or compare, or diff');
  if (command === 'diff') return diff(values, rest);
  if (rest.length > 0) throw new UsageError(`one scenario at a time, not also ${rest.join(' ')}`);
  if (command === 'compare') return compare(values);
  if (command === 'idle') return idle(values);
  if (command === 'answers') return answers(values);
  if (command === 'cold') return cold(values);
  if (command === 'growth') return growth(values);
  if (command === 'after-sale') return afterSale(values);
  if (command === 'telemetry') return telemetry(values);
  if (command === 'events') return events(values);
  const scenario = LOAD_SCENARIOS.find(({ name }) => name === command);
  if (scenario === undefined) throw new UsageError(`there is no scenario "${command}"`);
  return runLoad(scenario, values);
}

await runCommand({ help: HELP, options: OPTIONS, wordsMax: WORDS_MAX }, main);
