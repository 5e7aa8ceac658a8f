// Goal: the contract says what the routes do, and the committed file is the contract.
// Method: the real app without engines behind it. SECKILL_UPDATE_SNAPSHOTS=1 writes the file.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PROBLEMS, type ProblemCode } from '@seckill/contracts';
import { Problem, problemDocument } from '@seckill/runtime';
import { untilWithin } from '@seckill/testing';
import t from 'tap';
import Schema from 'typebox/schema';
import { OPERATIONS } from '../../src/openapi/operations.ts';
import { startGateway } from '../support/gateway.ts';

const FILE = fileURLToPath(new URL('../../../../openapi.json', import.meta.url));

interface Call {
  operationId: string;
  security: object[];
  requestBody?: object;
  parameters?: { name: string; in: string }[];
  responses: Record<string, { content?: Record<string, Content> }>;
}

interface Content {
  schema?: { allOf?: { properties: { code: { enum: string[] } } }[] };
  examples?: Record<string, { $ref: string }>;
}

interface Contract {
  openapi: string;
  paths: Record<string, Record<string, Call>>;
  components: { schemas: Record<string, object>; examples: Record<string, { value: object }> };
}

const gateway = await startGateway({ PAYMENTS: 'sandbox' });
t.teardown(() => gateway.stop());

const until = untilWithin(15_000);

/**
 * This process runs the test beside the gateway, so on a busy machine the gateway finds its event loop late
 * and refuses with 503. What is asked here is not that, so it is asked again, as Retry-After bids.
 */
async function ask(url: string, headers: Record<string, string> = {}) {
  let answer = await gateway.app.inject({ url, headers });
  await until(`${url} is not shed`, async () => {
    if (answer.statusCode === 503) answer = await gateway.app.inject({ url, headers });
    return answer.statusCode !== 503;
  });
  return answer;
}

const answer = await ask('/openapi.json');
const document = answer.json<Contract>();
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

await t.test(
  'every error of every call has an example in both languages, as its schema allows',
  async (t) => {
    const problem = Schema.Compile(document.components.schemas['Problem'] ?? false);
    for (const { name, call } of calls) {
      for (const [status, response] of Object.entries(call.responses)) {
        // The answer of /readyz is no problem document, because probes look at the status alone.
        if (Number(status) < 400 || name === 'GET /readyz') continue;
        const { schema, examples = {} } = response.content?.['application/problem+json'] ?? {};
        const codes = schema?.allOf?.[1]?.properties.code.enum ?? [];
        t.ok(codes.length > 0, `${name} ${status}`);
        t.same(Object.keys(examples).sort(), codes.flatMap((code) => [code, `${code}.zh`]).sort(), name);
        for (const [key, { $ref }] of Object.entries(examples)) {
          const [code = '', language = 'en'] = key.split('.');
          const value = document.components.examples[$ref.split('/').at(-1) ?? '']?.value;
          t.ok(problem.Check(value), `${name} ${key} is a problem`);
          const title = PROBLEMS[code as ProblemCode].title[language as 'en' | 'zh'];
          t.match(value, { code, status: Number(status), title }, `${name} ${key}`);
        }
      }
    }
  },
);

await t.test('the contract is cached by its tag', async (t) => {
  const etag = String(answer.headers['etag']);
  const again = await ask('/openapi.json', { 'if-none-match': etag });
  t.equal(again.statusCode, 304);
  t.equal(again.body, '');
});

await t.test('the page to read it loads nothing from elsewhere, and its files are there', async (t) => {
  const page = await ask('/docs');
  t.equal(page.statusCode, 200);
  const policy = String(page.headers['content-security-policy']);
  t.match(policy, "default-src 'none'");
  t.notMatch(policy, /https?:|\*/);
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '');
  t.ok(files.length >= 4);
  for (const url of files) {
    t.match(url, /^\/docs\/static\//);
    t.equal((await ask(url)).statusCode, 200, url);
  }
});

await t.test('the type of every problem leads to its place on a page, in both languages', async (t) => {
  const followed = new Set<string>();
  const pages = new Map<string, string>();
  for (const code of Object.keys(PROBLEMS) as ProblemCode[]) {
    for (const language of ['zh', 'en'] as const) {
      const context = { docsBaseUrl: '', language, requestId: 'r' };
      const { type } = problemDocument(new Problem(code), context);
      const [path = '', anchor = ''] = type.split('#');
      if (!pages.has(path)) {
        const page = await ask(path);
        t.equal(page.statusCode, 200, path);
        t.match(page.headers['content-type'], 'text/html');
        pages.set(path, page.body);
      }
      const rows = (pages.get(path) ?? '').split('<tr').filter((row) => row.includes(` id="${anchor}"`));
      t.equal(rows.length, 1, `${type} is one place`);
      const text = rows[0]?.replaceAll(/&#(\d+);/g, (_, number) => String.fromCharCode(Number(number))) ?? '';
      t.ok(text.includes(PROBLEMS[code].title[language]), `${type} says what it means in ${language}`);
      followed.add(code);
    }
  }
  t.equal(followed.size, Object.keys(PROBLEMS).length);
  t.match((await ask('/nothing')).json(), { type: '/errors#not_found' }, 'as a real answer has it');
  // What the contract shows as examples leads there too.
  for (const [name, { value }] of Object.entries(document.components.examples)) {
    const [path = '', anchor = ''] = (value as { type: string }).type.split('#');
    t.ok(pages.get(path)?.includes(` id="${anchor}"`), name);
  }
});
