// Goal: a comment stands by itself, and one thing has one word. Method: the sentences of every comment, and
// the words of every source and document, are looked through.
import t from 'tap';
import { listFiles, read, readProse } from '../support/repository.ts';

/** An applied migration is never changed, not even in a comment. */
const FROZEN = /^services\/order\/migrations\//;
const FILES = listFiles().filter((path) => !FROZEN.test(path) && !/\/(snapshots|results)\//.test(path));
const SOURCES = FILES.filter((path) => /\.([cm]?[jt]s|lua|sql)$/.test(path));

const TEXT = /\.([cm]?[jt]s|lua|sql|md|ya?ml)$/;
/** Words of the glossary's column "not" that mean nothing else, so that no text needs them. */
const GIVEN_UP = ['poke', 'bury', 'patience', 'doubt', 'gatekeeper', 'handover', 'unfit'];
const FORMS =
  /(?<![a-z])poke[ds]?(?![a-z])|(?<![a-z])(?:un)?bur(?:y|ie[ds])(?![a-z])|patience|doubted|gatekeeper|handover|unfit/gi;
/** The changelog and the glossary tell which word became which, and this file has the list. */
const TELLS_WORDS = new Set(['CHANGELOG.md', 'docs/glossary.md', 'test/house/prose.test.ts']);

/** The sentences of a comment. A list, a paragraph and a tag begin one as well as a full stop does. */
const sentencesOf = (text: string): string[] =>
  text.split(/(?<=[.!?][)"”`]*)\s+|\n\s*\n|\n\s*(?=@)/).map((sentence) => sentence.trim());

void t.test('no sentence of a comment begins with a pronoun, or is a fragment', (t) => {
  t.ok(SOURCES.length > 800, 'the sources are found');
  const comments = SOURCES.flatMap(readProse);
  t.ok(comments.length > 2_000, 'their comments are found');
  const wrong = comments.flatMap(({ path, line, text }) =>
    sentencesOf(text)
      .filter((sentence) => /^(It|They|Its|Their|Of|Else)\b/.test(sentence))
      .map((sentence) => `${path}:${line} ${sentence.slice(0, 60)}`),
  );
  t.same(wrong, [], 'the noun stands there instead');
  t.end();
});

void t.test('words that the glossary gave up are used nowhere', (t) => {
  const column = read('docs/glossary.md')
    .split('\n')
    .flatMap((line) => (line.startsWith('|') ? [line.slice(0, -1).split('|').at(-1) ?? ''] : []))
    .join(' ');
  for (const word of GIVEN_UP) t.match(column, new RegExp(`\\b${word}\\b`), `the glossary has ${word}`);
  const texts = FILES.filter((path) => TEXT.test(path) && !TELLS_WORDS.has(path));
  const found = texts.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => [...line.matchAll(FORMS)].map(([word]) => `${path}:${index + 1} ${word}`)),
  );
  t.same(found, []);
  t.end();
});
