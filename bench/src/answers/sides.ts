import { randomBytes } from 'node:crypto';
import type { Child } from '@seckill/stack';
import { limitlessSale } from '../scenarios/load/load.ts';
import { startBaseline } from '../target/baseline.ts';
import { createSale } from '../target/sale.ts';
import { openTarget, type Target } from '../target/target.ts';
import { startRawProcess, type RawProcess } from '../generator/raw-process-client.ts';
import { makeReservations } from './reservations.ts';

/** What is asked, and who answers. */
export const ANSWERS = ['bare', 'reserved', 'sold_out', 'read'] as const;
export type AnswerName = (typeof ANSWERS)[number];

export interface AnswerSide {
  name: AnswerName;
  /** The status that every answer must have. */
  status: number;
  client: RawProcess;
  /** The processes whose CPU counts. */
  pids: Record<string, number>;
}

export interface AnswerRig {
  target: Target;
  sides: Record<AnswerName, AnswerSide>;
  requests: { reservations: string[]; look: string };
  close(): Promise<void>;
}

/** Requests that are prepared. Each has a key of its own; the keys of a "sold out" never come to reserve. */
const REQUESTS = 20_000;
const TOTAL = 100;

/**
 * Starts the gateway in front of the constant stub, the bare route, and a real stack with a sale that is sold
 * out. All of them run at once and idle while another is asked.
 */
export async function startAnswerRig(connections: number, log: (line: string) => void): Promise<AnswerRig> {
  const target = await openTarget({ log });
  const children: Child[] = [];
  const clients: RawProcess[] = [];
  const close = async () => {
    for (const client of clients) client.stop();
    await Promise.all(children.map((child) => child.stop()));
    await target.close();
  };
  try {
    const { stack, info, pids } = target;
    if (stack === undefined || info === undefined) throw new Error('no stack of our own');
    const bare = await startBaseline('bare', {}, children);
    const stub = await startBaseline('plain-stock', {}, children);
    const plain = await stack.startProcess({
      service: 'gateway',
      name: 'gateway-plain',
      env: { STOCK_URL: stub.url },
    });
    const saleId = `bench-${randomBytes(6).toString('hex')}`;
    await sellOut(target, saleId);

    const open = async (url: string, requests: string[]): Promise<RawProcess> => {
      const { hostname, port } = new URL(url);
      const load = { host: hostname, port: Number(port), connections, requests };
      const client = await startRawProcess(load);
      clients.push(client);
      return client;
    };
    const reservations = makeReservations(target, saleId, REQUESTS);
    const look = `GET /v1/sales/${saleId} HTTP/1.1\r\nhost: bench\r\n\r\n`;
    const services = Object.fromEntries(
      ['gateway', 'stock', 'order', 'redis'].flatMap((name) =>
        pids[name] === undefined ? [] : [[name, pids[name]]],
      ),
    );
    const sides: Record<AnswerName, AnswerSide> = {
      bare: {
        name: 'bare',
        status: 201,
        client: await open(bare.url, reservations),
        pids: { bare: bare.child.pid },
      },
      reserved: {
        name: 'reserved',
        status: 201,
        client: await open(plain.url, reservations),
        pids: { gateway: plain.child.pid },
      },
      sold_out: {
        name: 'sold_out',
        status: 409,
        client: await open(info.gateway, reservations),
        pids: services,
      },
      read: { name: 'read', status: 200, client: await open(info.gateway, [look]), pids: services },
    };
    return { target, sides, requests: { reservations, look }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function sellOut(target: Target, saleId: string): Promise<void> {
  const sale = limitlessSale(TOTAL);
  await createSale(target, saleId, sale, Date.now());
  for (const { sku, total } of sale.items) {
    const response = await target.http.request({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      headers: {
        authorization: `Bearer ${target.tokenOf('bench-first')}`,
        'content-type': 'application/json',
        'idempotency-key': `all-of-${sku}`,
      },
      body: JSON.stringify({ lines: [{ sku, quantity: total }] }),
    });
    const body = await response.body.text();
    if (response.statusCode !== 201) throw new Error(`selling out: ${response.statusCode} ${body}`);
  }
}
