/**
 * Goal: a plan follows from its figures and never promises what does not exist. Method: plans of small and
 * large crowds.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOPICS, type SaleInput } from '@seckill/contracts';
import { ROOT } from '@seckill/stack';
import { CommandRunner } from '@seckill/testing';
import t, { test, type Test } from 'tap';
import { CAPACITY } from '../../src/sizing/capacity.ts';
import { planSale } from '../../src/sizing/sale-plan.ts';

const NOW = Date.parse('2026-11-20T00:00:00.000Z');

const sale: SaleInput = {
  id: 'oranges-2000',
  title: 'Oranges',
  opensAt: '2026-11-22T12:00:00.000Z',
  closesAt: '2026-11-22T12:10:00.000Z',
  items: [{ sku: 'orange-5kg', title: '5 kg', price: { amount: 2990, currency: 'CNY' }, total: 2000 }],
};

const valueOf = (name: string, crowd: number, of = sale): string =>
  planSale(of, crowd, NOW).steps.find(({ what }) => what === name)?.value ?? '';

await test('more buyers need more gateways, in step with the measured figure', async (t) => {
  t.equal(valueOf('gateway', 10), '2 replicas', 'two at least');
  const replicas = (crowd: number): number => Number.parseInt(valueOf('gateway', crowd), 10);
  t.equal(replicas(1_000_000), Math.ceil((1_000_000 * 0.65) / (CAPACITY.gatewayRequests.value / 2)));
  t.ok(replicas(2_000_000) > replicas(1_000_000));
});

await test('intake never gets more replicas than partitions, and stock no more than one Redis can feed', async (t) => {
  const huge = { ...sale, items: [{ ...sale.items[0], total: 10_000_000 }] } as SaleInput;
  t.ok(Number.parseInt(valueOf('order-intake', 100_000_000, huge), 10) <= TOPICS.reservations.partitions);
  const most = Math.ceil(CAPACITY.laneReservations.value / CAPACITY.stockReservations.value);
  t.ok(Number.parseInt(valueOf('stock-http', 100_000_000, huge), 10) <= most);
});

await test('a plan says what is too much', async (t) => {
  t.same(planSale(sale, 10_000, NOW).warnings, []);
  t.match(planSale(sale, 1_000_000, NOW).warnings.join(), /more than one Redis takes/);
  const huge = { ...sale, items: [{ ...sale.items[0], total: 10_000_000 }] } as SaleInput;
  const warnings = planSale(huge, 1_000, Date.parse('2026-11-22T11:59:00.000Z')).warnings.join();
  t.match(warnings, /cannot all be sold/);
  t.match(warnings, /RELAY_OUTBOX_COUNT_MAX/);
  t.match(warnings, /scale by hand/);
});

await test('the calendar begins before the opening and ends after the close', async (t) => {
  t.match(planSale(sale, 1_000, NOW).cron, { start: '45 11 22 11 *', end: '25 12 22 11 *' });
});

const commands = new CommandRunner(ROOT);
t.teardown(() => commands.stop());

async function run(args: string[]): Promise<{ code: number; text: string }> {
  const file = join(ROOT, 'bench/dist/src/sizing/sale-plan-command.js');
  const { code, stdout, stderr } = await commands.run(file, args, process.env);
  return { code, text: stdout + stderr };
}

function write(t: Test, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-plan-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'sale.json');
  writeFileSync(file, content);
  return file;
}

await test('the command names its figures, and says in words what is wrong', async (t) => {
  const file = write(t, JSON.stringify(sale));
  const plan = await run(['--sale', file, '--crowd', '50000']);
  t.equal(plan.code, 0, plan.text);
  for (const { source } of Object.values(CAPACITY)) t.ok(plan.text.includes(source));
  t.match(plan.text, /type: cron[\s\S]*start: 45 11 22 11 \*/);
  t.equal((await run(['--help'])).code, 0);
  t.equal((await run(['--sale', file, '--crowd', 'many'])).code, 2);
  t.equal((await run(['--crowd', '1'])).code, 2);
  t.match(await run(['--sale', '/nowhere.json', '--crowd', '1']), { code: 2, text: /cannot be read/ });
  t.match(await run(['--sale', write(t, '{"id":1}'), '--crowd', '1']), { code: 2, text: /is no sale/ });
});
