import { setTimeout as sleep } from 'node:timers/promises';
import type { SaleDefinition } from '@seckill/contracts';
import type { EngineReader } from '../engines/engines.ts';
import type { RedisLane } from '../engines/redis-lane.ts';
import type { LedgerRow, OrderRow, PaymentRow } from '../engines/rows.ts';

/** All that the engines hold of one sale at one moment. */
export interface SaleReading {
  definition: SaleDefinition;
  lane: RedisLane;
  ledger: LedgerRow[];
  orders: OrderRow[];
  /** Sequences at which late money took units again, `<epoch>-<sequence>`. */
  retakes: string[];
  payments: PaymentRow[];
}

export interface Reading {
  sales: SaleReading[];
  kafkaBacklog: number;
  settlements: { orderOutbox: number; messages: number };
  deadLetters: number;
}

export async function readAll(engines: EngineReader, saleIds: string[]): Promise<Reading> {
  const sales = await Promise.all(
    saleIds.map(async (saleId) => ({
      definition: await engines.definition(saleId),
      lane: await engines.lane(saleId),
      ledger: await engines.ledger(saleId),
      orders: await engines.orders(saleId),
      retakes: await engines.retakes(saleId),
      payments: await engines.payments(saleId),
    })),
  );
  return {
    sales,
    kafkaBacklog: await engines.kafkaBacklog(),
    settlements: await engines.settlementBacklog(),
    deadLetters: await engines.deadLetters(),
  };
}

/**
 * Waits until nothing is in flight and two readings agree. INV-3 may be judged only then (docs/recovery.md,
 * "Audit").
 * @throws Error after `timeoutMs`, with what was still moving.
 */
export async function readSettled(
  engines: EngineReader,
  saleIds: string[],
  timeoutMs: number,
): Promise<Reading> {
  const deadline = performance.now() + timeoutMs;
  let previous = '';
  for (;;) {
    const reading = await readAll(engines, saleIds);
    const inFlight = describeInFlight(reading);
    const fingerprint = JSON.stringify(
      reading.sales.map(({ lane, ledger, orders }) => [
        lane.sequence,
        lane.items,
        ledger,
        orders.map(({ status }) => status).sort(),
      ]),
    );
    if (inFlight.every(({ count }) => count === 0) && fingerprint === previous) return reading;
    previous = fingerprint;
    if (performance.now() > deadline) {
      throw new Error(`still in flight: ${inFlight.map(({ name, count }) => `${name} ${count}`).join(', ')}`);
    }
    await sleep(200);
  }
}

/** Everything that is on its way between the engines. */
export function describeInFlight({
  sales,
  kafkaBacklog,
  settlements,
}: Reading): { name: string; count: number }[] {
  return [
    { name: 'outbox', count: sales.reduce((sum, { lane }) => sum + lane.outbox, 0) },
    { name: 'reservations in Kafka', count: kafkaBacklog },
    { name: 'order outbox', count: settlements.orderOutbox },
    { name: 'settlements in Kafka', count: settlements.messages },
  ];
}
