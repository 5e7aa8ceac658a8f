import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReserveAnswer, ReserveItem } from '@seckill/contracts';
import { Pool } from 'undici';
import { loadWindow, settle, type Comparison } from './comparison.ts';
import { judgeCounts } from './intake-rate.ts';
import { closeSale, createSale } from '../target/sale.ts';
import { note } from './saturation.ts';
import { plainSale, PLENTY } from '../scenarios/load/load.ts';

const FEW_HOLDS = 1_000;
const BATCH_COUNT = 256;
const CALLS = 2;
/**
 * Wait before a retry when the outbox is full or a call was lost. The relay brings 500 entries in some
 * milliseconds.
 */
const RETRY_MS = 100;
/**
 * One million reservations take about two minutes on two cores. Meanwhile their orders travel to Postgres.
 */
const STORED_MS = 900_000;

/**
 * Measures Redis' bytes for each reservation. Then compares, round by round, the rate of reservations in a
 * sale that holds a million of them with the rate in a new sale that holds a thousand. Users have 16
 * characters and keys 36.
 */
export async function compareHolds(comparison: Comparison): Promise<void> {
  const { scale, samples, rig, log } = comparison;
  const { target } = rig;
  const { engines } = target;
  if (engines === undefined) throw new Error('no engines');
  await settle(comparison);
  const large = await openSale(comparison);
  const before = await engines.redisBytes();
  await fill(comparison, large, scale.holds);
  await engines.untilDrained(large, STORED_MS);
  await settle(comparison);
  const bytes = ((await engines.redisBytes()) - before) / scale.holds;
  samples.add('bytes', bytes);
  log(`${scale.holds} holds, outbox drained: ${bytes.toFixed(1)} bytes of Redis each`);

  const model = { kind: 'closed', connections: scale.connections, durationMs: scale.windowMs } as const;
  for (let round = 1; round <= scale.rounds; round += 1) {
    const small = await openSale(comparison);
    await fill(comparison, small, FEW_HOLDS);
    for (const saleId of round % 2 === 1 ? [small, large] : [large, small]) {
      await engines.untilDrained(saleId, STORED_MS);
      const { holds } = await engines.counts(saleId);
      await settle(comparison);
      const options = { model, warmUpMs: scale.warmUpMs, seed: round, saleId, isJudgedByCounts: true };
      const measured = await loadWindow(comparison, 'product', options);
      const name = saleId === large ? 'with many holds' : 'with few holds';
      const { acceptedPerSecond } = measured.load;
      samples.add(name, acceptedPerSecond);
      note(comparison, name, measured);
      log(`round ${round}  ${holds} holds in the sale: ${acceptedPerSecond.toFixed(0)} accepted a second`);
      await engines.untilDrained(saleId, STORED_MS);
    }
    await judgeCounts(comparison, small);
    await closeSale(target, small);
  }
  await judgeCounts(comparison, large);
}

async function openSale({ rig: { target } }: Comparison): Promise<string> {
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  await createSale(target, saleId, plainSale(PLENTY), Date.now());
  return saleId;
}

/**
 * Sends full batches straight to stock, the way that the gateway's own calls go. This saves a million HTTP
 * requests.
 */
async function fill({ rig, log }: Comparison, saleId: string, holds: number): Promise<void> {
  const { info } = rig.target;
  if (info === undefined) throw new Error('no stack of our own');
  const stock = new Pool(info.stock, { connections: CALLS, pipelining: 1 });
  const run = randomBytes(2).toString('hex');
  const state = { made: 0, reserved: 0 };
  let shown = performance.now();
  const work = async () => {
    let waiting: ReserveItem[] = [];
    while (state.made < holds || waiting.length > 0) {
      while (waiting.length < BATCH_COUNT && state.made < holds) {
        waiting.push(makeItem(saleId, `fill-${run}-${String(state.made).padStart(6, '0')}`));
        state.made += 1;
      }
      const answers = await reserveBatch(stock, info.gatewayToken, waiting);
      // Lost and refused items are sent again with their keys. An item that had been taken gets the same
      // answer again.
      const rest = waiting.filter((_item, index) => answers[index]?.outcome !== 'reserved');
      state.reserved += waiting.length - rest.length;
      waiting = rest;
      if (rest.length > 0) await sleep(RETRY_MS);
      if (performance.now() - shown > 10_000) {
        shown = performance.now();
        log(`filling the sale: ${state.reserved} of ${holds} holds`);
      }
    }
  };
  await Promise.all(Array.from({ length: CALLS }, work));
  await stock.destroy();
}

/** Makes one item. The user id has 16 characters: `fill-`, 4, `-`, 6. */
function makeItem(saleId: string, userId: string): ReserveItem {
  return {
    saleId,
    userId,
    idempotencyKey: randomUUID(),
    lines: [{ sku: 'unit', quantity: 1 }],
    channelId: 'group',
  };
}

async function reserveBatch(stock: Pool, token: string, items: ReserveItem[]): Promise<ReserveAnswer[]> {
  try {
    const response = await stock.request({
      method: 'POST',
      path: '/internal/reservations',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(items),
    });
    const text = await response.body.text();
    if (response.statusCode >= 400 && response.statusCode < 500) throw new Error(`stock answered ${text}`);
    return response.statusCode === 200 ? (JSON.parse(text) as ReserveAnswer[]) : [];
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('stock answered')) throw error;
    return [];
  }
}
