/**
 * A module hook that erases types and remembers the result by the content of the file. tap's own loader,
 * ts-node, starts the compiler in every test process and translates each source anew: 1 to 3 s of processor
 * time for each of a hundred files.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
const FOLDER = new URL('node_modules/.cache/seckill-test-sources/', ROOT);
const { version } = JSON.parse(readFileSync(new URL('node_modules/typescript/package.json', ROOT), 'utf8'));

/** The compiler is loaded only when something changed, because that takes 300 ms. */
let compiler;

async function erase(source, fileName) {
  compiler ??= (await import('typescript')).default;
  const { ModuleKind, ScriptTarget } = compiler;
  return compiler.transpileModule(source, {
    fileName,
    // Our TypeScript only erases (erasableSyntaxOnly), so nothing else of its configuration matters.
    compilerOptions: {
      module: ModuleKind.ESNext,
      target: ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  }).outputText;
}

export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts') || url.includes('/node_modules/'))
    return nextLoad(url, context);
  const text = readFileSync(new URL(url), 'utf8');
  // The hash takes in the address, because the source map names the file.
  const key = createHash('sha256').update(`${version}\n${url}\n${text}`).digest('hex');
  const file = new URL(`${key}.js`, FOLDER);
  let source;
  try {
    source = readFileSync(file, 'utf8');
  } catch {
    source = await erase(text, fileURLToPath(url));
    mkdirSync(FOLDER, { recursive: true });
    // The file is written as a whole or not at all, because two test processes may write the same one.
    const part = new URL(randomUUID(), FOLDER);
    writeFileSync(part, source);
    renameSync(part, file);
  }
  return { format: 'module', source, shortCircuit: true };
}
