// Goal: the contract says what the routes do, and the committed file is the contract.
// Method: the real app without engines behind it. SECKILL_UPDATE_SNAPSHOTS=1 writes the file.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { OPERATIONS } from '../../src/openapi/operations.ts';
import { startGateway } from '../support/gateway.ts';

const FILE = fileURLToPath(new URL('../../../../openapi.json', import.meta.url));

interface Call {
  operationId: string;
  security: object[];
  requestBody?: object;
  parameters?: { name: string; in: string }[];
  responses: Record<string, { content?: Record<string, { examples?: Record<string, { value: object }> }> }>;
}

const gateway = await startGateway({ PAYMENTS: 'sandbox' });
t.teardown(() => gateway.stop());
const answer = await gateway.app.inject({ url: '/openapi.json' });
const document = answer.json<{ openapi: string; paths: Record<string, Record<string, Call>> }>();
const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, call]) => ({ name: `${method.toUpperCase()} ${path}`, call })),
);

await t.test('the committed file is the contract', async (t) => {
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') writeFileSync(FILE, text);
  t.equal(readFileSync(FILE, 'utf8'), text);
});

await t.test('every call has a route and a name of its own', async (t) => {
  const described = Object.keys(OPERATIONS).map((name) => name.replace(/:(\w+)/g, '{$1}'));
  t.same(calls.map(({ name }) => name).sort(), described.sort());
  t.equal(new Set(calls.map(({ call }) => call.operationId)).size, calls.length);
});

await t.test('every reference leads somewhere', async (t) => {
  const references = new Set(
    [...answer.body.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path ?? ''),
  );
  t.ok(references.size > 10);
  for (const reference of references) {
    let at: unknown = document;
    for (const name of reference.split('/')) at = (at as Record<string, unknown> | undefined)?.[name];
    t.type(at, Object, reference);
  }
});

await t.test('the sandbox is told only where it is', async (t) => {
  const strict = await startGateway({});
  t.teardown(() => strict.stop());
  const { paths } = (await strict.app.inject({ url: '/openapi.json' })).json<typeof document>();
  t.notOk(paths['/v1/orders/{orderId}/pay']);
  t.ok(document.paths['/v1/orders/{orderId}/pay']);
});

await t.test('every error of every call has an example, as the error handler writes it', async (t) => {
  for (const { name, call } of calls) {
    for (const [status, response] of Object.entries(call.responses)) {
      // The answer of /readyz is no problem document, because probes look at the status alone.
      if (Number(status) < 400 || name === 'GET /readyz') continue;
      const examples = Object.entries(response.content?.['application/problem+json']?.examples ?? {});
      t.ok(examples.length > 0, `${name} ${status}`);
      for (const [code, { value }] of examples)
        t.match(value, { code, status: Number(status) }, `${name} ${code}`);
    }
  }
});

await t.test('the contract is cached by its tag', async (t) => {
  const etag = String(answer.headers['etag']);
  const again = await gateway.app.inject({ url: '/openapi.json', headers: { 'if-none-match': etag } });
  t.equal(again.statusCode, 304);
  t.equal(again.body, '');
});

await t.test('the page to read it loads nothing from elsewhere, and its files are there', async (t) => {
  const page = await gateway.app.inject({ url: '/docs' });
  t.equal(page.statusCode, 200);
  const policy = String(page.headers['content-security-policy']);
  t.match(policy, "default-src 'none'");
  t.notMatch(policy, /https?:|\*/);
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '');
  t.ok(files.length >= 4);
  for (const url of files) {
    t.match(url, /^\/docs\/static\//);
    t.equal((await gateway.app.inject({ url })).statusCode, 200, url);
  }
});

await t.test('the page of the errors has every code, and a problem leads to it', async (t) => {
  const problem = (await gateway.app.inject({ url: '/nothing' })).json<{ type: string; code: string }>();
  const [path, anchor] = problem.type.split('#');
  const page = await gateway.app.inject({ url: path ?? '' });
  t.equal(page.statusCode, 200);
  t.match(page.headers['content-type'], 'text/html');
  t.match(page.body, `id="${anchor ?? ''}"`);
  t.match(page.body, '路径不存在');
});
