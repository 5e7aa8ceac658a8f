// Goal: what Redis is sent is what a reviewer saw, and each header says the truth about its script.
// Method: the built scripts are compared with those in scripts/lua/test/snapshots
// (SECKILL_UPDATE_SNAPSHOTS=1 writes them anew).
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { laneKeys, SCRIPT_PARTS } from '../../../services/stock/src/redis/keys.ts';
import { buildScript, countKeys, SCRIPT_NAMES } from '../../../services/stock/src/redis/scripts.ts';

const folder = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, folder), 'utf8');

await t.test('every Lua file is a script that stock defines, or an include that a script uses', async (t) => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.lua'));
  t.same(files.sort(), SCRIPT_NAMES.map((name) => `${name}.lua`).sort());
  const used = SCRIPT_NAMES.flatMap((name) =>
    [...read(`${name}.lua`).matchAll(/^--- @include "(\w+)"$/gm)].map(
      ([, include]) => `${include ?? ''}.lua`,
    ),
  );
  t.same([...new Set(used)].sort(), readdirSync(new URL('include/', folder)).sort());
});

for (const name of SCRIPT_NAMES) {
  await t.test(`${name}.lua as sent is as reviewed`, async (t) => {
    const built = buildScript(name);
    const snapshot = new URL(`test/snapshots/${name}.lua`, folder);
    if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') writeFileSync(snapshot, built);
    t.ok(existsSync(snapshot), 'has a snapshot');
    t.equal(built, readFileSync(snapshot, 'utf8'));
    t.notMatch(built, /@include|\n\s*--/);
  });

  await t.test(`the header of ${name}.lua names its keys and arguments`, async (t) => {
    const source = read(`${name}.lua`);
    const header = source.split('\n\n', 1)[0] ?? '';
    t.match(header, /^#!lua( flags=(allow-oom|no-writes))?\n-- \w/, 'flags, then the purpose');
    const named = [...header.matchAll(/KEYS\[(\d+)\] (\w+)/g)].map(([, , part]) => part);
    t.same(named, SCRIPT_PARTS[name]);
    t.equal(countKeys(name), SCRIPT_PARTS[name].length);
    const body = source.slice(header.length);
    for (const kind of ['KEYS', 'ARGV']) {
      const indexes = (text: string): number[] =>
        [...text.matchAll(new RegExp(`${kind}\\[(\\d+)\\]`, 'g'))].map(([, index]) => Number(index));
      const missing = indexes(body).filter((index) => !indexes(header).includes(index));
      t.same(missing, [], `${kind} used but not named`);
    }
    t.match(header, /Answers/);
  });
}

/**
 * Reads the names after `-- ARGV[n]` of a header, and those of a request, which reserve.lua lists below them.
 */
function argumentsOf(header: string): string[] {
  const indexed = [...header.matchAll(/^-- ARGV\[\d+\] (\w+)/gm)].map(([, name]) => name ?? '');
  const [, repeated = ''] = /^-- then of each (?:request|order)[^\n]*\n((?:-- {3}.*\n)+)/m.exec(header) ?? [];
  const ofRequest = repeated.split('\n').flatMap((line) => {
    const [, name, more = ''] = /^-- {3}(\w+)(?:, then (\w+, \w+) of each line)?/.exec(line) ?? [];
    return name === undefined ? [] : [name, ...more.split(', ').filter((word) => word !== '')];
  });
  return [...indexed, ...ofRequest];
}

/** Reads the cells KEYS and ARGV of a script's row, without the words between the names. */
function rowOf(readme: string, script: string): { keys: string[]; args: string[] } {
  const [, keys = '', args = ''] =
    new RegExp(`^\\| \`${script}.lua\` \\|([^|]*)\\|([^|]*)\\|`, 'm').exec(readme) ?? [];
  const words = (cell: string): string[] => cell.split(/[ ,]+/).filter((word) => word !== '');
  const names = args.replace(/then of each (?:request|order)|of each line/g, '');
  return { keys: words(keys), args: words(names) };
}

await t.test(
  'the readme has a row for every script, with its keys and arguments, and one for every key',
  async (t) => {
    const readme = read('README.md');
    for (const name of SCRIPT_NAMES) {
      const header = read(`${name}.lua`).split('\n\n', 1)[0] ?? '';
      const { keys, args } = rowOf(readme, name);
      t.same(keys, SCRIPT_PARTS[name], `KEYS of ${name}.lua`);
      t.same(args, argumentsOf(header), `ARGV of ${name}.lua`);
      t.ok(args.length > 0 || name === 'retire', `${name}.lua takes arguments`);
    }
    for (const part of Object.keys(laneKeys({ saleId: 's', lane: 0 }))) {
      t.match(readme, `| \`seckill:{…}:${part}\` |`);
    }
  },
);
