// Goal: group purchases are decided once and ended whole while order and stock are killed in the middle of
// it: every order of a failed one has expired or its money is due for refund, once, nothing changes in a
// reached one, and both sides agree (INV-1, INV-3, INV-5, D7).
// Method: the whole system over HTTP; random sales whose holds are paid, cancelled or expire around the
// close, each notice sent twice at once, with kills at random moments; then the engines are judged, and once
// more after Redis was emptied.
import { campaign } from '@seckill/testing';
import pg from 'pg';
import t, { type Test } from 'tap';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { History } from '../../bench/src/audit/history.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { untilOpen } from '../support/aftermath.ts';
import { pay } from '../support/notices.ts';
import { connectRedis, flushAll } from '../support/redis.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const ROUNDS = campaign({ short: 1, full: 2 });
const BUYERS = 40;
/** Sales of one round: all close within the same second. */
const SALES = 3;

t.setTimeout(campaign({ short: 300_000, full: 1_200_000 }));
t.comment(`SECKILL_SEED=${SEED}`);
const client = await buildStack(t, 'groups');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, stack.info.redis);
const postgres = new pg.Pool({ connectionString: stack.info.postgres, max: 2 });
t.teardown(() => postgres.end());
const operator = await client.token('operator', true);

let state = SEED;
/** From 0 to below `max`; the order in which buyers ask for it differs from run to run. */
function pick(max: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  return (state >> 8) % max;
}

interface Bought {
  orderId: string;
  userId: string;
  units: number;
  channelId?: string;
}

async function reserve(saleId: string, userId: string): Promise<Bought | undefined> {
  const units = 1 + pick(2);
  const channel = pick(2) === 0 ? { channelId: 'li' } : {};
  const body = { lines: [{ sku: 'a', quantity: units }], ...channel };
  const token = await client.token(userId);
  const path = `/v1/sales/${saleId}/reservations`;
  let id: string | undefined;
  await until(
    `${userId} is answered`,
    async () => {
      const answer = await client
        .send({ method: 'POST', path, token, key: userId, body })
        .catch(() => undefined);
      if (answer?.status === 201) id = String(answer.body['id']);
      return answer !== undefined && answer.status < 500;
    },
    60_000,
  );
  return id === undefined ? undefined : { orderId: id, userId, units, ...channel };
}

const notify = ({ orderId, units }: Bought): Promise<string> => pay(client, { orderId, amount: 100 * units });

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Buys, and pays, cancels or does nothing at a random moment before or after the close. */
async function live(saleId: string, userId: string): Promise<Bought | undefined> {
  await sleep(pick(2_000));
  const bought = await reserve(saleId, userId);
  if (bought === undefined) return undefined;
  const fate = pick(10);
  await sleep(pick(5_000));
  if (fate < 6) await Promise.all([notify(bought), notify(bought)]);
  else if (fate === 6) {
    const path = `/v1/orders/${bought.orderId}/cancel`;
    const token = await client.token(userId);
    await client.send({ method: 'POST', path, token }).catch(() => undefined);
  }
  return bought;
}

interface Group {
  sale_id: string;
  channel_id: string;
  minimum: number;
  state: string;
  units: number;
  is_ended: boolean;
}

async function readGroups(saleIds: string[]): Promise<Group[]> {
  const { rows } = await postgres.query<Group>(
    `SELECT sale_id, channel_id, minimum::int, state, units::int, ended_at IS NOT NULL AS is_ended
     FROM sale_groups WHERE sale_id = ANY ($1) ORDER BY sale_id, channel_id`,
    [saleIds],
  );
  return rows;
}

async function assertFates(t: Test, saleId: string, bought: Bought[], groups: Group[]): Promise<void> {
  const refunds = await client.send({ path: `/v1/refunds?saleId=${saleId}&limit=100`, token: operator });
  const due = refunds.body['data'] as { orderId: string; reason: string; amount: { amount: number } }[];
  for (const { orderId, userId, units, channelId } of bought) {
    const path = `/v1/orders/${orderId}`;
    const { body } = await client.send({ path, token: await client.token(userId) });
    const group = groups.find(({ channel_id }) => channel_id === (channelId ?? ''));
    t.equal(body['group'], group?.state, orderId);
    t.not(body['status'], 'pending', orderId);
    const own = due.filter((one) => one.orderId === orderId && one.reason === 'group_failed');
    if (body['status'] === 'paid') {
      t.equal(own.length, group?.state === 'failed' ? 1 : 0, `${orderId}: money back once`);
      if (group?.state === 'failed') t.equal(own[0]?.amount.amount, 100 * units);
    }
    if (group?.state === 'reached') t.equal(own.length, 0, `${orderId}: nothing changes`);
  }
}

for (let round = 0; round < ROUNDS; round += 1) {
  await t.test(`round ${round}`, async (t) => {
    const saleIds = Array.from({ length: SALES }, (_, index) => `group-${round}-${index}`);
    const closesAt = new Date(Date.now() + 4_500).toISOString();
    for (const saleId of saleIds) {
      await createSale(client, saleId, {
        items: [oneItem(1_000)],
        closesAt,
        holdSeconds: 4,
        groupMinimum: 5 + pick(2 * BUYERS),
        lateMoney: pick(2) === 0 ? 'retake' : 'refund',
        channels: [{ id: 'li', kind: 'community', title: 'Li', groupMinimum: 5 + pick(BUYERS) }],
      });
    }
    const lives = saleIds.map(async (saleId) => {
      const buyers = Array.from({ length: BUYERS }, (_, index) => live(saleId, `u-${round}-${index}`));
      return (await Promise.all(buyers)).filter((one) => one !== undefined);
    });
    await sleep(Date.parse(closesAt) - Date.now() - 500);
    for (let kill = 0; kill < 5; kill += 1) {
      await sleep(200 + pick(900));
      const service = pick(4) === 0 ? 'stock' : 'order';
      await stack.kill(service);
      await sleep(pick(300));
      await stack.restart(service);
    }
    const bought = await Promise.all(lives);
    let groups: Group[] = [];
    await until(
      'every group is decided, and what failed has ended',
      async () => {
        groups = await readGroups(saleIds);
        return groups.every((one) => one.state === 'reached' || one.is_ended);
      },
      60_000,
    );
    t.comment(groups.map(({ state, units, minimum }) => `${state} ${units}/${minimum}`).join(', '));
    t.ok(groups.every(({ state, units, minimum }) => units >= minimum === (state === 'reached')));
    const reading = await readSettled(engines, saleIds, 60_000);
    t.same(judge(reading, new History()), [], 'every invariant holds');
    for (const [index, saleId] of saleIds.entries()) {
      await assertFates(
        t,
        saleId,
        bought[index] ?? [],
        groups.filter(({ sale_id }) => sale_id === saleId),
      );
    }
    if (round > 0) return;
    const [saleId = ''] = saleIds;
    const { epoch } = await untilOpen(client, saleId);
    await flushAll(redis, saleId);
    await untilOpen(client, saleId, epoch);
    t.same(judge(await readSettled(engines, [saleId], 60_000), new History()), [], 'and after a rebuild');
    t.same(await readGroups(saleIds), groups, 'decided once');
  });
}
