// Goal: whoever follows a name in a comment, a document or a manifest finds what it names.
// Method: every document, heading, decision, file, folder and npm script that is named anywhere is looked up
// in the repository. All that is wrong is told at once.
import { dirname, join, normalize } from 'node:path';
import t, { type Test } from 'tap';
import { listFiles, read, readHeadings, readProse, type Prose } from '../support/repository.ts';

const FILES = listFiles();
const KNOWN = new Set(FILES);
const FOLDERS = new Set(FILES.flatMap(foldersOf));
const NAMES = new Set(FILES.map((path) => path.split('/').at(-1) ?? ''));
const TEXT =
  /\.([cm]?[jt]s|md|lua|sql|ya?ml|sh|conf|env|example|json)$|(^|\/)(Dockerfile|\.ci\/\w+)$|ignore$|\.taprc$/;
const MADE =
  /(^|\/)(package-lock\.json|go\.sum|openapi\.json)$|^bench\/(results|baselines\/.*\/node_modules)\//;
const PATHS = FILES.filter((path) => TEXT.test(path) && !MADE.test(path));
const PROSE = PATHS.filter((path) => !path.endsWith('.json')).flatMap(readProse);
/** Files that are made elsewhere than in the repository. */
const NOT_OURS = new Map([
  ['nodes.conf', 'a node of a Redis Cluster writes it'],
  ['result.md', '`bench compare` writes it'],
]);
/** Words by which comments have cited what nobody can look up. */
const NOWHERE = /\bfield notes?\b|\bsimulations?\b|\bissues? \d+|\.\.\/shared\b/gi;
/** An applied migration is never changed, not even in a comment: there documents go by their bare names. */
const FROZEN = /^services\/order\/migrations\//;
const DECISIONS = new Set(
  [...readHeadings('docs/architecture.md').texts].flatMap((text) => /^(D\d+)\. /.exec(text)?.[1] ?? []),
);
const SCRIPTS = new Set(
  FILES.filter((path) => path.endsWith('package.json')).flatMap((path) =>
    Object.keys((JSON.parse(read(path)) as { scripts?: object }).scripts ?? {}),
  ),
);

/**
 * Tells what is wrong with the names that `pattern` finds. `judge` says why a name is wrong, or undefined.
 */
function findWrong(
  prose: Prose[],
  pattern: RegExp,
  judge: (match: RegExpExecArray, path: string) => string | undefined,
): string[] {
  return prose.flatMap(({ path, line, text }) =>
    [...text.matchAll(pattern)].flatMap((match) => {
      const reason = judge(match, path);
      const at = line + text.slice(0, match.index).split('\n').length - 1;
      return reason === undefined ? [] : [`${path}:${at} ${reason}`];
    }),
  );
}

function foldersOf(path: string): string[] {
  const folder = dirname(path);
  return folder === '.' ? [] : [folder, ...foldersOf(folder)];
}

/**
 * Tells whether a path exists: from the root, from the folder of the file that names it, or as the end of
 * one.
 */
function isThere(name: string, path: string): boolean {
  const candidates = [normalize(name), normalize(join(dirname(path), name))].map((one) =>
    one.replace(/\/$/, ''),
  );
  if (candidates.some((one) => KNOWN.has(one) || FOLDERS.has(one))) return true;
  if (!name.includes('/')) return NAMES.has(name);
  return (
    FILES.some((file) => file.endsWith(`/${name}`)) ||
    [...FOLDERS].some((one) => `${one}/`.endsWith(`/${name}`))
  );
}

/** The name that a build gives a source file, as commands name it. */
function sourceOf(built: string): string {
  return built.startsWith('bench/')
    ? built.replace('/dist/', '/').replace(/\.js$/, '.ts')
    : built.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
}

function tell(test: Test, wrong: string[], what: string): void {
  for (const one of wrong) test.comment(one);
  test.equal(wrong.length, 0, what);
}

await t.test('the files to be looked through are there', async (t) => {
  t.ok(PATHS.length > 300, 'files');
  t.ok(PROSE.length > 2_000, 'comments and documents');
  t.ok(DECISIONS.size >= 14, 'decisions');
});

await t.test('links of documents lead to files and headings', async (t) => {
  const documents = PROSE.filter(({ path }) => path.endsWith('.md'));
  const wrong = findWrong(documents, /\]\(([^()\s]+)\)/g, ([, target = ''], path) => {
    if (/^[a-z]+:/.test(target)) return undefined;
    const [file = '', anchor] = target.split('#');
    const found = file === '' ? path : normalize(join(dirname(path), file)).replace(/\/$/, '');
    if (!KNOWN.has(found) && !FOLDERS.has(found)) return `links to ${target}, which is not there`;
    if (anchor === undefined || !found.endsWith('.md')) return undefined;
    return readHeadings(found).anchors.has(anchor)
      ? undefined
      : `links to ${target}, which has no such heading`;
  });
  tell(t, wrong, 'every link leads somewhere');
});

await t.test('documents that are named exist, with the headings that are named', async (t) => {
  const wrong = findWrong(
    PROSE,
    /(?<![\w./*<-])((?:\.\.?\/)*(?:[\w-]+\/)*[\w.-]+\.md)\b(?:`?,\s+"([^"]+)")?/g,
    ([, name = '', heading], path) => {
      if (NOT_OURS.has(name)) return undefined;
      const candidates = [normalize(name), normalize(join(dirname(path), name))];
      if (FROZEN.test(path)) candidates.push(`docs/${name}`);
      const found = candidates.find((one) => KNOWN.has(one));
      if (found === undefined) return `names ${name}, which is not there`;
      const text = heading?.replaceAll(/\s+/g, ' ');
      if (text === undefined || readHeadings(found).texts.has(text)) return undefined;
      return `names ${name}, "${text}", which is no heading there`;
    },
  );
  tell(t, wrong, 'every document is there');
});

await t.test('decisions are cited by numbers that docs/architecture.md has', async (t) => {
  const wrong = [
    ...findWrong(PROSE, /(?<![\w-])D\d{1,3}\b(?!-)/g, ([name]) =>
      DECISIONS.has(name) ? undefined : `cites ${name}, which docs/architecture.md does not have`,
    ),
    ...findWrong(PROSE, /\bdecisions?\s+\d+/gi, ([words], path) =>
      FROZEN.test(path) ? undefined : `cites "${words}": decisions are cited as D1, D2 …`,
    ),
    ...findWrong(PROSE, NOWHERE, ([words]) => `cites "${words}", which nobody can look up`),
  ];
  tell(t, wrong, 'every decision is there');
});

await t.test('files and folders that are named exist', async (t) => {
  const file =
    /(?<![\w/*{}<>$@.:-])(?:\.\.?\/)*((?:[\w.@-]+\/)*[\w-][\w.-]*\.(?:ts|cjs|lua|sql|ya?ml|sh|conf|tla))\b(?![\w/*{<(-])/g;
  // Products have names like Node.js, and a run writes summary.json: of these only a path is looked up.
  const path = /(?<![\w/*{}<>$@.:-])((?:[\w@-]+\/)+[\w-][\w.-]*\.(?:[cm]?js|json|html|css))\b(?![\w/*{<(-])/g;
  const folder =
    /(?<![\w/*{}<>$@.:-])((?:services|packages|scripts|bench|test|docs|k8s)\/[\w.-]+[\w./-]*)(?![\w*{<$-])/g;
  const judge = ([, name = '']: RegExpExecArray, path: string): string | undefined => {
    const trimmed = name.replace(/[.,]+$/, '');
    if (/(^|\/)(dist|node_modules|runs)(\/|$)/.test(trimmed) || isThere(trimmed, path)) return undefined;
    if (NOT_OURS.has(trimmed) || /NNNN-/.test(trimmed)) return undefined;
    return `names ${trimmed}, which is not there`;
  };
  tell(
    t,
    [...new Set([file, path, folder].flatMap((pattern) => findWrong(PROSE, pattern, judge)))],
    'every file is there',
  );
});

await t.test('programs that are started are built from sources that exist', async (t) => {
  const whole = PATHS.filter((path) => !path.endsWith('.lua')).map((path) => ({
    path,
    line: 1,
    text: read(path),
  }));
  const built = /(?<![\w/.-])((?:services|packages|scripts|bench)\/[\w/-]*\bdist\/[\w/.-]+\.js)\b/g;
  const wrong = findWrong(whole, built, ([, name = '']) =>
    KNOWN.has(sourceOf(name)) ? undefined : `starts ${name}, of which there is no ${sourceOf(name)}`,
  );
  tell(t, wrong, 'every program has a source');
});

await t.test('tests that a command runs exist', async (t) => {
  const commands = FILES.filter((path) => /(^|\/)package\.json$|^\.ci\//.test(path)).map((path) => ({
    path,
    line: 1,
    text: read(path),
  }));
  const run = /(?<![\w/.-])((?:[\w.-]+\/)+[\w.-]+\.test\.ts)\b/g;
  const wrong = findWrong(commands, run, ([, name = '']) =>
    KNOWN.has(name) ? undefined : `runs ${name}, which is not there`,
  );
  tell(t, wrong, 'every test is there');
});

await t.test('npm scripts that are named exist', async (t) => {
  const named = /\bnpm\s+(?:run\s+(?:--?[\w-]+\s+)*)([\w:-]+)/g;
  const wrong = findWrong(PROSE, named, ([, name = '']) =>
    SCRIPTS.has(name) ? undefined : `names npm run ${name}, which no package.json has`,
  );
  tell(t, wrong, 'every script is there');
});

await t.test('identifiers that documents name behind a file stand in that file', async (t) => {
  const documents = PROSE.filter(({ path }) => path.endsWith('.md'));
  const named = /`([\w./-]+\.(?:ts|lua))`\s+`([\w#]+)`/g;
  const wrong = findWrong(documents, named, ([, name = '', identifier = '']) => {
    const files = FILES.filter((path) => path === name || path.endsWith(`/${name}`));
    if (files.length === 0 || files.some((path) => read(path).includes(identifier))) return undefined;
    return `names ${identifier} in ${name}, which has no such word`;
  });
  tell(t, wrong, 'every identifier is there');
});

await t.test('titles of tests that docs/invariants.md quotes are those of the tests', async (t) => {
  const text = read('docs/invariants.md').replaceAll(/\s+/g, ' ');
  const quoted = /`((?:[\w-]+\/)*[\w.-]+\.test\.ts)`[^:`"]{0,60}: ((?:"[^"]+"(?:, so|; |, | and )?)+)/g;
  const wrong = [...text.matchAll(quoted)].flatMap(([, name = '', titles = '']) => {
    const tests = FILES.filter((path) => path === name || path.endsWith(`/${name}`)).map((path) =>
      read(path).replaceAll("\\'", "'").replaceAll(/\s+/g, ' '),
    );
    return [...titles.matchAll(/"([^"]+)"/g)].flatMap(([, title = '']) =>
      tests.some((test) => test.includes(title)) ? [] : [`${name} has no test "${title}"`],
    );
  });
  tell(t, wrong, 'every title is there');
});
