// Goal: whoever makes a client from openapi.json by another tool than ours gets one that compiles and buys.
// Method: openapi-generator makes one of TypeScript; a program over it is compiled strictly, and reserves,
// pays, cancels and reads an error on the whole system.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchJar, findProgram, ROOT, run, tailOf } from '@seckill/stack';
import t from 'tap';
import { buildStack, createSale } from '../support/stack.ts';

/** A shop's program, as one writes it with the generated client. */
const PROGRAM = `
import { Configuration, OrdersApi, ReservationsApi, ResponseError, SalesApi } from './client/index.js';
const [basePath = '', accessToken = ''] = process.argv.slice(2);
const configuration = new Configuration({ basePath, accessToken });
const sales = new SalesApi(configuration);
const reservations = new ReservationsApi(configuration);
const orders = new OrdersApi(configuration);
const reserve = (idempotencyKey: string, quantity: number) =>
  reservations.reserve({ saleId: 'generated', idempotencyKey, reserveRequest: { lines: [{ sku: 'a', quantity }] } });
const settled = async (end: () => Promise<{ status: string }>) => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return (await end()).status;
    } catch (error) {
      if (attempt > 20 || !(error instanceof ResponseError) || error.response.status !== 503) throw error;
    }
  }
};
const { items } = await sales.getSale({ saleId: 'generated' });
const first = await reserve('one', 2);
const again = await reserve('one', 2);
const second = await reserve('two', 1);
const paid = await settled(() => orders.payOrder({ orderId: first.id }));
const cancelled = await settled(() => orders.cancelOrder({ orderId: second.id }));
const { amount } = await orders.getOrder({ orderId: first.id });
let refused = {};
try {
  await reserve('three', 100);
} catch (error) {
  if (error instanceof ResponseError) refused = await error.response.json();
}
console.log(JSON.stringify({ skus: items.map(({ sku }) => sku), isSame: first.id === again.id, paid, cancelled, amount, refused }));
`;

const OPTIONS = {
  ...{ target: 'ES2022', module: 'NodeNext', strict: true, noUncheckedIndexedAccess: true },
  ...{ lib: ['ES2022', 'DOM'], types: ['node'], rootDir: 'src', outDir: 'dist' },
};

t.setTimeout(600_000);
const java = findProgram('java');
const jar = await fetchJar('org.openapitools:openapi-generator-cli:7.25.0', (line) => {
  t.comment(line);
});
if (java === undefined || jar === undefined) t.plan(0, 'no openapi-generator');
else {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-generated-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, 'src'));

  await t.test('the generated client compiles', async (t) => {
    const args = ['generate', '-i', join(ROOT, 'openapi.json'), '-g', 'typescript-fetch'];
    const made = await run(
      java,
      ['-jar', jar, ...args, '-o', join(folder, 'src/client'), '-p', 'importFileExtension=.js'],
      { timeoutMs: 240_000 },
    );
    t.equal(made.ok ? '' : tailOf(made.stdout + made.stderr), '');
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: OPTIONS, include: ['src'] }),
    );
    writeFileSync(join(folder, 'src/program.ts'), PROGRAM);
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = await run(process.execPath, [tsc, '-p', folder], { timeoutMs: 240_000 });
    t.equal(compiled.ok ? '' : compiled.stdout, '');
  });

  await t.test('a program over it buys, repeats, cancels and reads an error', async (t) => {
    const system = await buildStack(t, 'generated');
    const price = { amount: 100, currency: 'CNY' };
    await createSale(system, 'generated', { items: [{ sku: 'a', title: 'A', price, total: 50 }] });
    const args = [join(folder, 'dist/program.js'), system.stack.info.gateway, await system.token('u1')];
    const { ok, stdout, stderr } = await run(process.execPath, args, { timeoutMs: 60_000 });
    t.equal(ok ? '' : tailOf(stderr), '');
    t.match(JSON.parse(stdout), {
      skus: ['a'],
      isSame: true,
      paid: 'paid',
      cancelled: 'cancelled',
      amount: { amount: 200, currency: 'CNY' },
      refused: { code: 'sold_out', status: 409, sku: 'a' },
    });
  });
}
