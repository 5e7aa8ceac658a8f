// Goal: who runs the release of 23 November comes to this one with all that the engines hold, also in a
// rolling update, and back; and what cannot go back is refused in a sentence (D99).
// Method: that release is taken from git and built; its services and ours run on the same real engines, one
// set for the whole story; the demo's audit judges what the engines hold.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { untilWithin } from '@seckill/testing';
import pg from 'pg';
import t, { type Test } from 'tap';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import type { History } from '../../bench/src/audit/history.ts';
import { Crowd } from './crowd.ts';
import { Fleet, type Instance } from './fleet.ts';
import { NEW, oldRelease } from './release.ts';
import { Scene } from './scene.ts';

const COMMIT = 'aa401c4';
const SETTLED_MS = 60_000;
/** A balancer that asks /readyz each 100 ms has seen the successor by then, also on a busy machine. */
const BESIDE_MS = 2_000;

const until = untilWithin(60_000);

const ONE = [{ sku: 'a', quantity: 1 }];
const BOTH = [...ONE, { sku: 'b', quantity: 2 }];

const old = await oldRelease(COMMIT);
if (typeof old === 'string') t.plan(0, old);
else await tell(old);

async function tell(old: Exclude<Awaited<ReturnType<typeof oldRelease>>, string>): Promise<void> {
  const fleet = await Fleet.start('upgrade');
  t.teardown(() => fleet.stop());
  const { redis, kafka, postgres } = fleet.engines;
  const engines = new EngineReader({ redis, kafka, postgres });
  t.teardown(() => engines.close());
  const scene = new Scene(fleet);

  const audit = async (t: Test, saleIds: string[], history: History = scene.history): Promise<void> => {
    t.same(judge(await readSettled(engines, saleIds, SETTLED_MS), history), [], 'the audit finds nothing');
    t.equal(await engines.deadLetters(), 0, 'no message became a dead letter');
  };

  await t.test('everything that the old release left is there, held, payable and for sale', async (t) => {
    await fleet.prepare(old);
    await fleet.add(old, 'order');
    await fleet.add(old, 'stock', { ROLES: 'http,relay,audit' });
    const settler = await fleet.add(old, 'stock', { ROLES: 'settler' });
    await fleet.add(old, 'gateway');
    await scene.sale('long');
    await scene.sale('short', { holdSeconds: 10 });
    await scene.sale('paused');
    await scene.sale('soon', { opensAt: new Date(Date.now() + 900_000).toISOString() });
    await scene.hold('waits', { saleId: 'paused', lines: ONE });
    await scene.operate('/v1/sales/paused/pause');
    const street = { channelId: 'street', ref: 'door' };
    await scene.hold('expired', { saleId: 'short', lines: BOTH });
    await scene.hold('pending', { saleId: 'long', lines: BOTH, ...street });
    await scene.hold('paid', { saleId: 'long', lines: BOTH, ...street });
    for (const name of ['cancelled', 'paid-late', 'cancelled-late', 'cancelled-last']) {
      await scene.hold(name, { saleId: 'long', lines: ONE });
    }
    await scene.end('paid', 'pay');
    await scene.end('cancelled', 'cancel');
    await until('the first hold expires', async () => (await scene.statusOf('expired')) === 'expired');
    await scene.hold('ends-meanwhile', { saleId: 'short', lines: BOTH });
    // What ends from here on is a settlement in Kafka that nobody has applied.
    await fleet.remove(settler);
    await scene.end('paid-late', 'pay');
    await scene.end('cancelled-late', 'cancel');
    await until('order has published', async () => (await engines.settlementBacklog()).orderOutbox === 0);
    t.ok((await engines.settlementBacklog()).messages > 0, 'settlements wait in Kafka');
    // And from here on nothing leaves an outbox: neither stock's nor order's.
    await fleet.engines.kill('kafka');
    for (const name of ['unpublished', 'unpublished-too']) {
      await scene.hold(name, { saleId: 'long', lines: BOTH });
    }
    await scene.end('cancelled-last', 'cancel');
    t.equal((await engines.lane('long')).outbox, 2, 'reservations wait in the outbox of stock');
    await fleet.removeAll();
    await fleet.engines.restart('kafka');

    await fleet.prepare(NEW);
    for (const service of ['order', 'stock', 'gateway'] as const) await fleet.add(NEW, service);
    for (const [saleId, state] of Object.entries({
      long: 'open',
      short: 'open',
      paused: 'paused',
      soon: 'scheduled',
    })) {
      await scene.untilState(saleId, state);
    }
    await until('the last hold expires', async () => (await scene.statusOf('ends-meanwhile')) === 'expired');
    t.same(
      await scene.statuses(scene.orders.keys()),
      {
        waits: 'pending',
        expired: 'expired',
        pending: 'pending',
        paid: 'paid',
        cancelled: 'cancelled',
        'paid-late': 'paid',
        'cancelled-late': 'cancelled',
        'cancelled-last': 'cancelled',
        'ends-meanwhile': 'expired',
        unpublished: 'pending',
        'unpublished-too': 'pending',
      },
      'each promised order is there under its id',
    );
    await until('all is settled', async () => (await scene.unitsOf('short'))['a']?.[0] === 20);
    t.same(await scene.unitsOf('short'), { a: [20, 0, 0], b: [30, 0, 0] }, 'what expired is for sale again');
    t.same(await scene.unitsOf('long'), { a: [15, 3, 2], b: [22, 6, 2] }, 'and what is held is held');

    for (const name of [...scene.orders.keys()]) {
      const id = scene.idOf(name);
      const answer = await scene.reserve(name);
      t.equal(answer.status, 201, `${name} asks again: ${answer.text.slice(0, 80)}`);
      t.equal(scene.idOf(name), id, `the key of ${name} names the same reservation (INV-4)`);
    }
    t.equal(await scene.end('pending', 'pay'), 'paid', 'a hold of before is paid');
    t.equal(await scene.end('unpublished', 'pay'), 'paid', 'so is one that Kafka had never heard of');
    t.equal(await scene.end('unpublished-too', 'cancel'), 'cancelled', 'and another is cancelled');
    t.equal((await scene.operate('/v1/sales/paused/resume')).status, 200, 'a paused sale goes on');
    t.equal(await scene.end('waits', 'pay'), 'paid', 'and its hold is paid');

    await until('the cancelled units are back', async () => (await scene.unitsOf('long'))['a']?.[0] === 16);
    for (let index = 0; index < 16; index += 1) {
      await scene.hold(`later-${index}`, { saleId: 'long', lines: ONE });
    }
    const late = await scene.reserve('too-late', { saleId: 'long', lines: ONE });
    t.match(late, { status: 409, body: { code: 'sold_out' } }, 'exactly the total is sold (INV-1)');
    await audit(t, ['long', 'short', 'paused']);
  });

  await t.test('back: the old release serves what the new one left, on an emptied Redis', async (t) => {
    await scene.sale('back');
    await scene.hold('held-by-the-new', { saleId: 'back', lines: BOTH, channelId: 'street' });
    await scene.hold('paid-by-the-new', { saleId: 'back', lines: BOTH });
    await scene.end('paid-by-the-new', 'pay');
    await readSettled(engines, ['back'], SETTLED_MS);
    await fleet.removeAll();
    const client = new Redis(redis);
    await client.flushall();
    await client.quit();
    t.match(
      await fleet.task(old.migrate),
      { ok: true, stdout: /nothing to migrate/ },
      'its migrations are there',
    );
    for (const service of ['order', 'stock', 'gateway'] as const) await fleet.add(old, service);
    await scene.untilState('back', 'open');
    const held = scene.idOf('held-by-the-new');
    t.equal((await scene.reserve('held-by-the-new')).status, 201, 'a key is repeated');
    t.equal(scene.idOf('held-by-the-new'), held, 'and names the same reservation (INV-4)');
    t.equal(await scene.end('held-by-the-new', 'pay'), 'paid', 'which is paid');
    t.equal(await scene.statusOf('paid-by-the-new'), 'paid', 'what was paid is paid');
    await scene.hold('held-by-the-old', { saleId: 'back', lines: ONE });
    t.equal(await scene.end('held-by-the-old', 'cancel'), 'cancelled', 'and the sale goes on');
    await audit(t, ['back']);
  });

  await t.test(
    'rolling: order, then stock, then the gateway; clients see what the contract allows',
    async (t) => {
      await scene.sale('rolling', {
        holdSeconds: 10,
        items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 100_000 }],
      });
      const crowd = new Crowd(fleet, 'rolling');
      crowd.start();
      await crowd.untilSold(30);
      await fleet.prepare(NEW);
      for (const service of ['order', 'stock', 'gateway'] as const) {
        const before = fleet.instances.filter((instance) => instance.service === service);
        await replace(fleet, before);
        await crowd.untilSold(30);
        t.comment(`${service} is new: ${crowd.report()}`);
      }
      await crowd.stop();
      t.same(
        crowd.failures.slice(0, 5),
        [],
        'every answer is one of the contract, and every promise is kept',
      );
      await audit(t, ['rolling'], crowd.history);
    },
  );

  await t.test('this release refuses a database that it cannot live with, in one sentence', async (t) => {
    await fleet.removeAll();
    const client = new pg.Client({ connectionString: postgres });
    await client.connect();
    await client.query(`INSERT INTO migrations (number, name, checksum, breaking)
      VALUES (9999, 'moves-orders', 'of a release to come', 'orders are kept elsewhere')`);
    await client.end();
    const { child, logFile } = await fleet.launch(NEW, 'order');
    t.equal((await child.exited).code, 1, 'it does not start');
    const words = readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('{"level":30'));
    t.match(
      words.join('\n'),
      /^this release knows .* migration 9999 \(moves-orders\): orders are kept elsewhere; .*\n$/,
    );
  });
}

/** As a Deployment does it; but two releases of stock would read each other's lanes wrongly. */
async function replace(fleet: Fleet, before: Instance[]): Promise<void> {
  const [{ service }] = before as [Instance];
  if (service === 'stock') for (const instance of before) await fleet.remove(instance);
  await fleet.add(NEW, service);
  if (service === 'stock') return;
  await sleep(BESIDE_MS);
  for (const instance of before) await fleet.remove(instance);
}
