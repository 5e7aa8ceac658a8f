import {
  parseReservationId,
  RESERVATION_SETTLED,
  type ControlState,
  type Reservation,
  type ReservationSettled,
  type Topic,
} from '@seckill/contracts';
import { silent } from '@seckill/testing';
import {
  createPublisher,
  createRegistry,
  type OutgoingMessage,
  type Producer,
  type Publisher,
} from '@seckill/runtime';
import type { Test } from 'tap';
import { createSettlerMetrics, type SettlerMetrics } from '../../src/settler/metrics.ts';
import { createSettler } from '../../src/settler/role.ts';
import { consumeSettlements, type Settler, type SettlerDeps } from '../../src/settler/settler.ts';
import { item, type Built } from './build.ts';
import { kafka } from './kafka.ts';

export type Verdict = ReservationSettled['verdict'];

export async function openSale(built: Built, patch: Partial<ControlState> = {}): Promise<string> {
  const sale = built.addSale(patch);
  const { status } = await built.send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale });
  if (status !== 200) throw new Error(`the sale did not open: ${status}`);
  return sale.saleId;
}

/** Makes so many reservations of one unit of `sku`, each by a buyer of its own. */
export async function reserveMany(
  built: Built,
  saleId: string,
  count: number,
  sku = 'b',
): Promise<Reservation[]> {
  const reservations: Reservation[] = [];
  for (let start = 0; start < count; start += 250) {
    const items = Array.from({ length: Math.min(250, count - start) }, (_, index) =>
      item(saleId, { userId: `u${start + index}`, lines: [{ sku, quantity: 1 }] }),
    );
    for (const answer of await built.reserve(...items)) {
      if (answer.outcome !== 'reserved') throw new Error(`not reserved: ${answer.outcome}`);
      reservations.push(answer.reservation);
    }
  }
  return reservations;
}

/** Publishes a settlement as order's relay does. */
export function settledMessage(reservation: Reservation, verdict: Verdict): OutgoingMessage {
  const settled: ReservationSettled = {
    reservationId: reservation.id,
    saleId: reservation.saleId,
    lane: parseReservationId(reservation.id)?.lane ?? 0,
    lines: reservation.lines.map(({ sku, quantity, price }) => ({ sku, quantity, price: price.amount })),
    verdict,
  };
  return { key: reservation.id, value: JSON.stringify(settled) };
}

export interface Settling {
  settler: Settler;
  metrics: SettlerMetrics;
  failures: unknown[];
  stop: () => Promise<void>;
}

export function makeSettler(built: Built, publisher: Publisher, patch: Partial<SettlerDeps> = {}) {
  const metrics = createSettlerMetrics(createRegistry());
  const settler = createSettler({
    connections: built.connections,
    publisher,
    logger: silent,
    metrics,
    batchCountMax: 256,
    onReturned: (lane) => {
      built.announcer.announce(lane);
    },
    onBroken: () => undefined,
    ...patch,
  });
  return { settler, metrics };
}

/** The role `settler` as main.ts assembles it. */
export async function startSettler(
  t: Test,
  built: Built,
  options: { topic: Topic; producer: Producer; groupId?: string } & Partial<SettlerDeps>,
): Promise<Settling> {
  const { topic, producer, groupId = topic.name, ...patch } = options;
  const { settler, metrics } = makeSettler(built, createPublisher(producer), patch);
  const failures: unknown[] = [];
  let stopping: Promise<void> | undefined;
  const stopConsumer = await consumeSettlements({
    kafka,
    settler,
    topic,
    groupId,
    onFail: (error) => failures.push(error),
  });
  const stop = (): Promise<void> => (stopping ??= stopConsumer());
  t.teardown(stop);
  return { settler, metrics, failures, stop };
}

export async function publishSettled(
  producer: Producer,
  topic: Topic,
  messages: OutgoingMessage[],
): Promise<void> {
  await createPublisher(producer).publish(topic, RESERVATION_SETTLED, messages);
}
