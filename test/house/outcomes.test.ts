// Goal: the order of precedence of a reservation's outcomes is one, wherever it stands. Method: the exported
// list is compared with the header of the script, with what stock and the gateway answer, with the problem
// catalogue and with the documentation.
import { CAUSES, PROBLEMS, RESERVE_OUTCOMES } from '@seckill/contracts';
import t from 'tap';
import { read } from './support.ts';

/** The outcomes of the list that are among these, in the list's order. */
const inOrder = (names: string[]): string[] => RESERVE_OUTCOMES.filter((one) => names.includes(one));
const find = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, name]) => name ?? '');

/** Stock says this outcome to the gateway alone, so it has no place in the order. */
const INTERNAL = 'late';

/** The answers that the header of reserve.lua names, in the header's order. */
function scriptOutcomes(): string[] {
  const header = read('scripts/lua/reserve.lua').split(/^local /m)[0] ?? '';
  const answers = /^-- Answers one for each request, in order; the first that applies:\n((?:-- {3}.*\n)+)/m;
  const names = find(answers.exec(header)?.[1] ?? '', /^-- {3}(\w+)/gm);
  t.equal(names.at(-1), 'reserved', 'the header names its answers, the reservation last');
  t.equal(names.at(-2), INTERNAL, 'before it comes what takes nothing only for the deadline');
  // When the key is `known` stock compares the requests, and says `key_reused` in the place of `known` when
  // they differ.
  return names.slice(0, -2).map((name) => (name === 'known' ? 'key_reused' : name));
}

void t.test("the script's header keeps the order", (t) => {
  const names = scriptOutcomes();
  t.ok(names.length >= 10, 'the outcomes are found');
  t.same(names, inOrder(names));
  t.end();
});

void t.test("stock has an answer for each of the script's outcomes, and for no other", (t) => {
  const found = find(read('services/stock/src/reserve/answer.ts'), /case '(\w+)':/g);
  t.ok(found.includes(INTERNAL), 'also what only the gateway hears');
  const cases = found.filter((name) => name !== INTERNAL);
  t.same(inOrder([...cases, 'key_reused']), scriptOutcomes());
  t.equal(new Set(cases).size, scriptOutcomes().length - 1, 'all of them are in the list');
  t.end();
});

void t.test('the gateway answers from memory in the same order', (t) => {
  const names = find(read('services/gateway/src/memory/certain-rejection.ts'), /return \{ outcome: '(\w+)'/g);
  t.ok(names.length >= 4, 'the outcomes are found');
  t.same(names, inOrder(names));
  t.end();
});

void t.test('the problem catalogue begins with the outcomes, in their order', (t) => {
  t.same(Object.keys(PROBLEMS).slice(0, RESERVE_OUTCOMES.length), [...RESERVE_OUTCOMES]);
  t.end();
});

void t.test('the documentation tells each outcome in its place, with its status', (t) => {
  const [, chapter = ''] = read('docs/http-api.md').split(
    '## Outcomes of a reservation, in order of precedence\n',
  );
  const sections = [...(chapter.split(/^## /m)[0] ?? '').matchAll(/^### (\w+)\n(\d{3})/gm)];
  const names = sections.map(([, name]) => name ?? '');
  t.same(names, [...RESERVE_OUTCOMES, 'outcome_unknown']);
  for (const [, name = '', status] of sections) {
    t.equal(PROBLEMS[name as keyof typeof PROBLEMS].status, Number(status), name);
  }
  t.end();
});

void t.test('every other code of the catalogue stands in the documentation', (t) => {
  const page = read('docs/http-api.md');
  const internal = ['ends_missing'];
  const others = Object.keys(PROBLEMS).filter((code) => !page.includes(`\`${code}\``));
  t.same(
    others.filter((code) => !page.includes(`### ${code}\n`)),
    internal,
    'but that one, which order says to stock alone',
  );
  t.end();
});

void t.test('the documentation has every cause that a sale is explained by, in their order', (t) => {
  const [, section = ''] = read('docs/http-api.md').split('### GET /v1/sales/:saleId/explain\n');
  const table = find(section.split(/^### /m)[0] ?? '', /^\| `(\w+)` \| (?:all|part|nothing) \|/gm);
  t.same(table, Object.keys(CAUSES));
  t.end();
});

void t.test(
  'the words of each cause name values in both languages alike, and runbooks that there are',
  (t) => {
    const gapsOf = (text: string) => find(text, /\{(\w+)\}/g).sort();
    for (const [code, { text, do: advice }] of Object.entries(CAUSES)) {
      for (const words of [text, advice]) t.same(gapsOf(words.zh), gapsOf(words.en), code);
      for (const name of find(`${advice.en} ${advice.zh}`, /(Seckill\w+)/g)) {
        t.ok(read(`docs/operating/runbooks/${name}.md`).length > 0, `${code}: ${name}`);
      }
    }
    t.end();
  },
);
