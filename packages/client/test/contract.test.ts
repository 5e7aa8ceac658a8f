// Goal: the client's types are the contract's. Method: they are generated anew from openapi.json and
// compared. SECKILL_UPDATE_SNAPSHOTS=1 writes the file.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import openapiTypescript from 'openapi-typescript';
import { format, resolveConfig } from 'prettier';
import t from 'tap';
import ts from 'typescript';

const CONTRACT = new URL('../../../openapi.json', import.meta.url);
const FILE = fileURLToPath(new URL('../src/openapi.ts', import.meta.url));

/** Generates the types without the contract's prose, which `/docs` shows. */
function print(nodes: ts.Node[]): string {
  const printer = ts.createPrinter({ removeComments: true });
  const source = ts.createSourceFile('openapi.ts', '', ts.ScriptTarget.Latest);
  return nodes.map((node) => printer.printNode(ts.EmitHint.Unspecified, node, source)).join('\n');
}

await t.test('the generated types are those of the committed contract', async (t) => {
  const types = print(await openapiTypescript(CONTRACT));
  const head = '// Generated from openapi.json by packages/client/test/contract.test.ts; do not edit.\n\n';
  const text = await format(head + types, { ...(await resolveConfig(FILE)), parser: 'typescript' });
  if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') writeFileSync(FILE, text);
  t.equal(readFileSync(FILE, 'utf8'), text);
});
