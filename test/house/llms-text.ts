/**
 * Makes llms.txt (llmstxt.org), by which an agent finds its way. The text is made from the pages' own titles
 * and first words.
 */
import { filesBelow, read } from './support.ts';

const SECTIONS: [heading: string, pages: string[]][] = [
  ['Use it', ['docs/http-api.md', 'packages/client/README.md', 'examples/storefront/README.md']],
  [
    'Understand it',
    ['architecture', 'invariants', 'recovery', 'reliability', 'glossary'].map((page) => `docs/${page}.md`),
  ],
  ['Operate it', filesBelow('docs/operating', '.md').filter((page) => !page.includes('/runbooks/'))],
  [
    'Change and measure it',
    ['CONTRIBUTING.md', 'bench/README.md', 'scripts/stack/README.md', 'k8s/README.md'],
  ],
];

interface Contract {
  paths: Record<string, Record<string, { operationId: string; summary: string }>>;
}

/** The text of llms.txt. */
export function makeLlmsText(): string {
  const [title, summary] = firstWordsOf('README.md');
  const sections = SECTIONS.map(([heading, pages]) => [`## ${heading}`, pages.map(lineOf).join('\n')]);
  const { paths } = JSON.parse(read('openapi.json')) as Contract;
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { operationId, summary: does }]) =>
        `- \`${method.toUpperCase()} ${path}\` (${operationId}): ${does}`,
    ),
  );
  const runbooks = filesBelow('docs/operating/runbooks', '.md').map(lineOf);
  return [
    `# ${title}`,
    `> ${summary}`,
    'Every call, its fields and every answer with an example stand in [openapi.json](openapi.json), which a running gateway ' +
      'serves at `/openapi.json`. Errors are problem documents (RFC 9457): go by `code` and `retryable`.',
    ...sections.flat(),
    '## Calls',
    calls.join('\n'),
    // What llmstxt.org calls by this name may be left out where room is short.
    '## Optional',
    runbooks.join('\n'),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

function lineOf(page: string): string {
  const [title, words] = firstWordsOf(page);
  return `- [${title}](${page}): ${words}`;
}

/** A page's title, and its first paragraph, or its headings where none stands below the title. */
function firstWordsOf(page: string): [title: string, words: string] {
  const [head = '', ...blocks] = read(page).split(/\n{2,}/);
  const title = plain(head.replace(/^# /, '').split('\n')[0] ?? '');
  const at = blocks.findIndex((block) => !/^\[.*\]\(.*\)$/.test(block));
  let first = blocks[at] ?? '';
  // A list is told by its first entry.
  if (first.endsWith(':')) first += ` ${(blocks[at + 1] ?? '').replace(/^- /, '').split(/\n- /)[0] ?? ''}`;
  if (!/^[#|`!-]/.test(first) || first.startsWith('`')) return [title, plain(first.replaceAll('\n', ' '))];
  const headings = blocks.flatMap((block) => /^## (.*)/.exec(block)?.[1] ?? []);
  return [title, `${headings.map(plain).join('; ')}.`];
}

/** Without links and emphasis, which lead nowhere from another place. */
const plain = (text: string) =>
  text
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('**', '')
    .replaceAll(/\s+/g, ' ')
    .trim();
