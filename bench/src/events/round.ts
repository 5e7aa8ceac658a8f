import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeReservations } from '../answers/reservations.ts';
import { startRawProcess } from '../generator/raw-process-client.ts';
import { readUse, spentBetween } from '../measure/cpu.ts';
import { limitlessSale } from '../scenarios/load/load.ts';
import { median } from '../statistics.ts';
import { closeSale, createSale } from '../target/sale.ts';
import type { Target } from '../target/target.ts';
import { openListeners } from './listeners.ts';

const CONNECTIONS = 64;
/** More than a window takes, so that no key comes twice in it. */
const REQUESTS = 30_000;
/** What the opening or the end of so many connections set off has passed by then. */
const CALM_MS = 2_000;
/** Whoever has not heard by then is counted as deaf. */
const HEAR_MS_MAX = 30_000;

export interface Round {
  acceptedWithout: number;
  acceptedWith: number;
  /**
   * Resident memory of the gateway that came with the listeners, for each of them. A collection in between
   * may make it negative.
   */
  bytesEach: number;
  /** From the moment the last reservation was sent, in ms. */
  halfHeardMs: number;
  allHeardMs: number;
  deaf: number;
  /** Shares of a core while the sale was sold and everybody listened. */
  gatewayCores: number;
  listenerCores: number;
}

export interface RoundPlan {
  saleId: string;
  listeners: number;
  windowMs: number;
  isWithFirst: boolean;
}

/**
 * One pair, then a sale that sells out. The order alternates, so that a machine that grows slower favours
 * nobody.
 */
export async function runRound(target: Target, plan: RoundPlan): Promise<Round> {
  const { saleId, windowMs, isWithFirst } = plan;
  const before = isWithFirst ? undefined : await sell(target, saleId, windowMs);
  const heard = await sellWith(target, plan);
  await sleep(CALM_MS);
  const acceptedWithout = before ?? (await sell(target, saleId, windowMs));
  return { acceptedWithout, ...heard, ...(await sellOut(target, plan.listeners)) };
}

async function sellWith(target: Target, { saleId, listeners, windowMs }: RoundPlan) {
  const gateway = { gateway: target.pids['gateway'] ?? 0 };
  const memory = () => readUse(gateway)['gateway']?.rssBytes ?? 0;
  const bytesBefore = memory();
  const open = await openListeners(target.url, saleId, listeners);
  try {
    await sleep(CALM_MS);
    const bytesEach = (memory() - bytesBefore) / listeners;
    const pids = { ...gateway, listeners: open.pid };
    const useBefore = readUse(pids);
    const startedAt = performance.now();
    const acceptedWith = await sell(target, saleId, windowMs);
    const seconds = (performance.now() - startedAt) / 1_000;
    const spent = spentBetween(useBefore, readUse(pids));
    return {
      acceptedWith,
      bytesEach,
      gatewayCores: (spent['gateway'] ?? 0) / seconds,
      listenerCores: (spent['listeners'] ?? 0) / seconds,
    };
  } finally {
    await open.close();
  }
}

/** @returns reservations accepted a second. @throws Error when one was answered otherwise. */
export async function sell(target: Target, saleId: string, windowMs: number): Promise<number> {
  const { hostname, port } = new URL(target.url);
  const requests = makeReservations(target, saleId, REQUESTS);
  const load = { host: hostname, port: Number(port), connections: CONNECTIONS, requests };
  const client = await startRawProcess(load);
  try {
    const { answered, seconds, statuses, failures } = await client.run(windowMs);
    if (failures > 0 || statuses[201] !== answered || answered > REQUESTS) {
      throw new Error(`the sale answered ${JSON.stringify(statuses)}, ${failures} failures`);
    }
    return answered / seconds;
  } finally {
    client.stop();
  }
}

/** One reservation takes all there is, and everybody who listens is to hear it. */
async function sellOut(target: Target, count: number) {
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  const sale = limitlessSale(100);
  await createSale(target, saleId, sale, Date.now());
  const listeners = await openListeners(target.url, saleId, count);
  try {
    await sleep(CALM_MS);
    const sentAt = performance.timeOrigin + performance.now();
    const response = await target.http.request({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      headers: {
        authorization: `Bearer ${target.tokenOf('bench-last')}`,
        'content-type': 'application/json',
        'idempotency-key': 'all',
      },
      body: JSON.stringify({ lines: [{ sku: 'unit', quantity: 100 }] }),
    });
    const text = await response.body.text();
    if (response.statusCode !== 201) throw new Error(`selling out: ${response.statusCode} ${text}`);
    let at: number[] = [];
    for (
      const deadline = performance.now() + HEAR_MS_MAX;
      performance.now() < deadline && at.length < count;
    ) {
      await sleep(200);
      at = await listeners.heard();
    }
    const after = at.map((one) => one - sentAt).sort((one, other) => one - other);
    const deaf = count - after.length;
    // Whoever never heard counts with all the time that was waited.
    const waited = [...after, ...Array.from({ length: deaf }, () => HEAR_MS_MAX)];
    return { halfHeardMs: median(waited), allHeardMs: waited.at(-1) ?? HEAR_MS_MAX, deaf };
  } finally {
    await listeners.close();
    await closeSale(target, saleId);
  }
}
