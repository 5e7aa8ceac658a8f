import { parseArgs } from 'node:util';
import { runCli, UsageError } from '@seckill/stack';
import { compare } from './compare/compare.ts';
import { diffFiles } from './compare/diff.ts';
import { HELP } from './help.ts';
import { assertTaken, OPTIONS, readNumbers } from './options.ts';
import { LOAD_SCENARIOS } from './scenarios/index.ts';
import { runCommand } from './run/run-command.ts';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command, ...rest] = positionals;
  if (values.help === true || command === undefined) {
    console.log(HELP);
    return values.help === true ? 0 : 2;
  }
  if (command === 'diff') {
    assertTaken('diff', values, []);
    const [left, right, ...more] = rest;
    if (left === undefined || right === undefined || more.length > 0)
      throw new UsageError('diff wants two summary files');
    for (const line of diffFiles(left, right)) console.log(line);
    return 0;
  }
  if (rest.length > 0) throw new UsageError(`one scenario at a time, not also ${rest.join(' ')}`);
  if (command === 'compare') return compare(values, readNumbers(values));
  const scenario = LOAD_SCENARIOS.find(({ name }) => name === command);
  if (scenario === undefined) {
    console.error(`there is no scenario "${command}"; see --help`);
    return 2;
  }
  return runCommand(scenario, values, readNumbers(values));
}

await runCli(main);
