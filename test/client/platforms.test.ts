// Goal: the client buys where a platform has neither `fetch` nor `EventSource` nor any other part of the
// web, and gives a hold back when a page is left. The examples of its README do what they say. Method: the
// real gateway; a bundle runs in a bare context whose only way out has the shape of `wx.request`; a page's
// event is dispatched.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import type { WxRequestOptions } from '@seckill/client';
import { ROOT } from '@seckill/stack';
import { build } from 'esbuild';
import t from 'tap';
import { makeBuyer, oneOf } from '../support/buyer.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const system = await buildStack(t, 'client-platforms');

/**
 * Node's own HTTP in the shape of `wx.request`: callbacks, and names of headers in the platform's own case.
 */
function wxRequest(options: WxRequestOptions): { abort(): void } {
  const { url, method, header, data, timeout } = options;
  const sent = httpRequest(url, { method, headers: header, timeout }, (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('end', () => {
      const headers = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [
          name.replace(/^./, (c) => c.toUpperCase()),
          String(value),
        ]),
      );
      options.success({
        statusCode: answer.statusCode ?? 0,
        header: headers,
        data: Buffer.concat(chunks).toString(),
      });
    });
  });
  const fail = (why: string): void => {
    options.fail({ errMsg: `request:fail ${why}` });
  };
  sent.on('error', ({ message }) => {
    fail(message);
  });
  sent.on('timeout', () => sent.destroy(new Error('timeout')));
  sent.end(data);
  return { abort: () => sent.destroy(new Error('abort')) };
}

/** What a mini program's script does. The script reports each step by `tell`. */
const MINI_PROGRAM = `
  import { createClient, wxTransport } from '@seckill/client';
  tell('web', ['fetch', 'EventSource', 'AbortController', 'crypto', 'performance', 'URL', 'Headers', 'process']
    .filter((name) => name in globalThis));
  const client = createClient({ baseUrl, token, transport: wxTransport(wx.request), deadlineMs: 10000 });
  (async () => {
    const done = await client.reserve('client-wx', { lines: [{ sku: 'a', quantity: 2 }], ref: '备注' });
    tell('reserve', done);
    tell('repeat', await client.reserve('client-wx', { lines: [{ sku: 'a', quantity: 2 }], ref: '备注' }, { key: done.key }));
    tell('pay', await client.pay(done.value.id));
    for await (const page of client.listOrders({ saleId: 'client-wx' })) tell('orders', page);
    for await (const sale of client.watchSale('client-wx', { everyMs: 1000 })) tell('sale', sale);
    tell('clock', client.serverNow());
    const lost = createClient({ baseUrl: nowhere, token, transport: wxTransport(wx.request), deadlineMs: 300 });
    tell('lost', await lost.reserve('client-wx', { lines: [{ sku: 'a', quantity: 1 }] }));
    tell('end', true);
  })().catch((error) => tell('end', String(error)));`;

await t.test('a mini program buys over wx.request, without any part of the web', async (t) => {
  await createSale(system, 'client-wx', { items: [oneItem(10)] });
  const { outputFiles } = await build({
    stdin: { contents: MINI_PROGRAM, resolveDir: ROOT },
    conditions: ['seckill-source'],
    bundle: true,
    format: 'iife',
    target: 'es2018',
    write: false,
  });
  const told: Record<string, unknown>[] = [];
  runInNewContext(outputFiles[0]?.text ?? '', {
    tell: (step: string, value: unknown) => told.push({ step, value }),
    wx: { request: wxRequest },
    baseUrl: system.stack.info.gateway,
    nowhere: 'http://127.0.0.1:9',
    token: await system.token('wx-buyer'),
    setTimeout,
    clearTimeout,
  });
  const step = (name: string) => told.filter((one) => one['step'] === name).map(({ value }) => value);
  await until('it watches', () => step('sale').length > 0);
  const token = await system.token('operator', true);
  await system.send({ method: 'POST', path: '/v1/sales/client-wx/close', token });
  await until('it ends', () => step('end').length > 0);
  t.same(step('web'), [[]], 'there is nothing of the web');
  t.same(step('end'), [true]);
  t.match(step('reserve'), [{ ok: true, replayed: false, value: { ref: '备注' } }]);
  t.match(step('repeat'), [{ ok: true, replayed: true }]);
  t.match(step('pay'), [{ ok: true, value: { status: 'paid' } }]);
  t.match(step('orders'), [{ ok: true, value: { data: { length: 1 } } }]);
  t.match(step('sale').at(-1), { ok: true, value: { state: 'closed' } });
  t.match(step('lost'), [
    { ok: false, code: 'outcome_unknown', inDoubt: true, cause: { errMsg: /ECONNREFUSED/ } },
  ]);
  t.equal(await makeBuyer(system, 'wx-buyer').countUnits('client-wx'), 2);
});

await t.test('a page that is left gives its hold back, unless it goes to pay', async (t) => {
  await createSale(system, 'client-leave');
  const buyer = makeBuyer(system, 'leaver');
  const [left, kept] = [
    await buyer.reserve('client-leave', oneOf('a')),
    await buyer.reserve('client-leave', oneOf('a')),
  ];
  if (!left.ok || !kept.ok) return t.fail('not reserved');
  const page = new EventTarget();
  buyer.releaseOnLeave(left.value.id, page);
  const keep = buyer.releaseOnLeave(kept.value.id, page);
  keep();
  page.dispatchEvent(new Event('pagehide'));
  await until('the hold is given back', async () => (await buyer.countUnits('client-leave')) === 1);
  t.match(await buyer.getOrder(left.value.id), { value: { status: 'cancelled' } });
  t.match(await buyer.getOrder(kept.value.id), { value: { status: 'pending' } });
});

await t.test('the examples of the README run one after the other', async (t) => {
  await createSale(system, 'pears-5', { items: [{ ...oneItem(10), sku: 'pear-2kg' }] });
  const readme = readFileSync(join(ROOT, 'packages/client/README.md'), 'utf8').replaceAll(
    'pears-4',
    'pears-5',
  );
  const examples = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  t.ok(examples.length >= 5);
  const folder = mkdtempSync(join(tmpdir(), 'seckill-readme-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, 'node_modules/@seckill'), { recursive: true });
  symlinkSync(join(ROOT, 'packages/client'), join(folder, 'node_modules/@seckill/client'));
  // The examples need what a shop has: a way to sign in, and a page.
  const shop = `
    const gateway = ${JSON.stringify(system.stack.info.gateway)};
    const signIn = async () => ${JSON.stringify(await system.token('reader'))};
    const page = new EventTarget(); globalThis.addEventListener = page.addEventListener.bind(page);
    globalThis.removeEventListener = page.removeEventListener.bind(page);
    const show = (...texts) => console.log(...texts);\n`;
  writeFileSync(join(folder, 'examples.mjs'), shop + examples.join('\n'));
  const { stdout } = await promisify(execFile)(process.execPath, ['examples.mjs'], {
    cwd: folder,
    timeout: 60_000,
  });
  t.match(stdout, /open, 10 left\n/);
  t.match(stdout, /pay before \S+\n/);
  t.match(stdout, /paid\n/);
  t.match(stdout, /1 orders\n/);
});
