import type { Test } from 'tap';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled, type Reading } from '../../bench/src/audit/reading.ts';
import type { History } from '../../bench/src/audit/history.ts';
import type { EngineReader } from '../../bench/src/engines/engines.ts';
import { Rush, type RushOptions } from './rush.ts';
import { saleInput, until, type Caller, type Client } from './stack.ts';

/** What stock says of a sale's lane. */
export interface LaneState {
  gate: string;
  epoch: number;
  sequence: number;
  outbox: number;
}

export const TOTAL = 400;
/** How many findings are printed, because one loss may break hundreds of rows. */
const FINDINGS_SHOWN = 12;

/** A sale for a rush; `a` sells out within some seconds, `b` does not. */
export async function openSale(
  client: Caller,
  saleId: string,
  changes: Record<string, unknown> = {},
): Promise<void> {
  const created = await client.send({
    method: 'POST',
    path: '/v1/sales',
    token: await client.token('operator', true),
    body: saleInput(saleId, {
      limitPerBuyer: 3,
      items: [
        { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: TOTAL },
        { sku: 'b', title: 'B', price: { amount: 250, currency: 'CNY' }, total: 100 * TOTAL },
      ],
      channels: [{ id: 'capped', kind: 'community', title: 'Capped', cap: 60 }],
      ...changes,
    }),
  });
  if (created.status !== 201) throw new Error(`${saleId} was not created: ${created.text}`);
}

/** Waits until the sale is in full swing: the relay works, and orders are stored. */
export async function startRush({
  engines,
  sale,
  ...options
}: RushOptions & { engines: EngineReader; sale?: Record<string, unknown> }): Promise<Rush> {
  await openSale(options.client, options.saleId, sale);
  const rush = new Rush(options);
  await until(
    `orders of ${options.saleId} are stored`,
    async () => (await engines.orders(options.saleId)).length >= 20,
    60_000,
  );
  return rush;
}

/** @returns undefined while stock cannot tell. */
export async function laneState(client: Client, saleId: string): Promise<LaneState | undefined> {
  const { stock, gatewayToken } = client.stack.info;
  try {
    const response = await fetch(`${stock}/internal/sales/${saleId}/state`, {
      headers: { authorization: `Bearer ${gatewayToken}` },
      signal: AbortSignal.timeout(2_000),
    });
    const body = (await response.json()) as LaneState;
    return response.status === 200 ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until the lane opens by itself, without anyone asking for it. @returns the lane as it opened. */
export async function untilOpen(
  client: Client,
  saleId: string,
  aboveEpoch = 0,
  timeoutMs = 90_000,
): Promise<LaneState> {
  let state: LaneState | undefined;
  await until(
    `${saleId} is open above epoch ${aboveEpoch}`,
    async () => {
      state = await laneState(client, saleId);
      return state?.gate === 'open' && state.epoch > aboveEpoch;
    },
    timeoutMs,
  );
  if (state === undefined) throw new Error('never happens: until() saw it open');
  return state;
}

/**
 * Waits until everything that was promised is in Postgres. What Redis loses from now on costs nobody a
 * reservation.
 */
export async function untilStored(engines: EngineReader, saleId: string): Promise<void> {
  await until(
    `everything of ${saleId} is stored`,
    async () => (await engines.lane(saleId)).outbox === 0 && (await engines.kafkaBacklog()) === 0,
    60_000,
  );
}

/** Waits until that many more buyers were told of a reservation. */
export async function untilMore(rush: Rush, count: number): Promise<void> {
  const wanted = rush.promised + count;
  await until(`${wanted} reservations of ${rush.saleId}`, async () => rush.promised >= wanted, 60_000);
}

/**
 * Ends the rush, repeats every key, waits until nothing is in flight, and judges INV-1 to INV-6.
 * @param lost what only the outbox knew when Redis lost it: that, and nothing else, may be missing.
 */
export async function judgeRush(
  t: Test,
  parts: { client: Client; engines: EngineReader; rush: Rush; lost?: Set<string> },
): Promise<Reading> {
  const { client, engines, rush, lost = new Set() } = parts;
  await rush.stop();
  await untilOpen(client, rush.saleId);
  rush.forget(lost);
  const keys = await rush.repeatKeys();
  const reading = await readSettled(engines, [rush.saleId], 60_000);
  const findings = judge(reading, rush.history).map(({ invariant, text }) => `${invariant}: ${text}`);
  t.same(
    [...findings, ...judgeTold(reading, rush)].slice(0, FINDINGS_SHOWN),
    [],
    `${rush.saleId}: every invariant holds`,
  );
  t.same(rush.unsettled, [], 'every payment and cancel heard what became of it');
  t.ok(keys > 0, `${keys} keys were answered with their first answers`);
  t.equal((await untilOpen(client, rush.saleId)).gate, 'open', 'and it is open');
  return reading;
}

/** Checks that each order is what its buyer was told (INV-5). */
export function judgeTold({ sales }: Reading, { history }: { history: History }): string[] {
  return sales.flatMap(({ orders }) =>
    orders.flatMap(({ id, status }) => [
      ...(history.toldPaid.has(id) && status !== 'paid' ? [`INV-5: ${id} is ${status}, told paid`] : []),
      ...(history.toldCancelled.has(id) && status !== 'cancelled'
        ? [`INV-5: ${id} is ${status}, told cancelled`]
        : []),
    ]),
  );
}
