import {
  createKafka,
  runRole,
  systemClock,
  type Kafka,
  type Lifecycle,
  type Logger,
  type Pool,
} from '@seckill/runtime';
import type { Api } from './app.ts';
import { LedgerReader } from './audit/ledger-reading.ts';
import { DeadLetters } from './dead-letters/dead-letters.ts';
import { createGroupsPool, createHttpPool, createReportPool } from './database.ts';
import { createGroupStore } from './groups/group-store.ts';
import { Groups } from './groups/groups.ts';
import { createClockMetrics, type ClockMetrics } from './clocks/metrics.ts';
import { createGroupMetrics } from './groups/metrics.ts';
import { createLateMoneyStore } from './late-money/late-money-store.ts';
import { LateMoney } from './late-money/late-money.ts';
import type { OrderDeps } from './deps.ts';
import { OperatorOrders } from './orders/operator-orders.ts';
import { Orders } from './orders/orders.ts';
import { Notices } from './payments/notices.ts';
import { Payments } from './payments/payments.ts';
import { Refunds } from './payments/refunds.ts';
import { Pickups } from './pickups/pickups.ts';
import { liftEpochs } from './recovery/epochs.ts';
import { Recovery } from './recovery/recovery.ts';
import { Reports } from './report/reports.ts';
import { ClockSkew, createClockStore } from './clocks/clock-skew.ts';
import { ControlSync, CONTROL_SYNC_CONCURRENCY } from './sales/control-sync.ts';
import { createSalesMetrics, type SalesMetrics } from './sales/metrics.ts';
import { decideAdjustments, readTaken, storeAdjustment } from './sales/adjustment-store.ts';
import { storeEdit } from './sales/edit-store.ts';
import { storeRestock } from './sales/restock-store.ts';
import { SaleList } from './sales/sale-list.ts';
import { listChanges } from './sales/sale-changes.ts';
import { SaleStore } from './sales/sale-store.ts';
import { Sales } from './sales/sales.ts';
import { Standings } from './standing/standings.ts';
import { WebhookDeliveries } from './webhooks/deliveries.ts';
import { WebhookEndpoints } from './webhooks/endpoints.ts';
import { createStockClient, type StockClient } from './stock-client.ts';

/** Kafka finds nothing by its contents, so a look for dead letters reads all that there are. */
const DEAD_LETTERS_READING_MS = 8_000;

/** Starts the role `http`. @returns everything behind its routes. */
export function startApi({ config, logger, lifecycle, registry, metrics, wake }: OrderDeps): Api {
  const pool = createHttpPool(config.databaseUrl, logger);
  metrics.observePool('http', pool);
  lifecycle.onStop('postgres of http', () => pool.end());
  const reportPool = createReportPool(config.databaseReplicaUrl ?? config.databaseUrl, logger);
  metrics.observePool('report', reportPool);
  lifecycle.onStop('postgres of reports', () => reportPool.end());
  const stock = createStockClient({
    url: config.stockUrl,
    token: config.orderToken,
    // And one each for the clock, late money and groups, which must not wait behind a load.
    connections: CONTROL_SYNC_CONCURRENCY + 3,
  });
  lifecycle.onStop('stock client', () => stock.close());
  const deps: ApiDeps = {
    pool,
    reportPool,
    stock,
    // This client connects when an operator asks for dead letters, and for nothing else.
    kafka: createKafka(config.kafka, 'seckill-dead-letters', logger),
    logger,
    lifecycle,
    metrics: { ...metrics, ...createSalesMetrics(registry) },
    wake,
    graceMs: config.expiryGraceMs,
    isSandbox: config.payments === 'sandbox',
    webhookAllowPrivate: config.webhookAllowPrivate,
  };
  runClockSkew(deps, createClockMetrics(registry));
  runGroups(deps, config.databaseUrl, createGroupMetrics(registry));
  return assembleApi(deps);
}

export interface ApiDeps {
  pool: Pool;
  /** Leads to the replica, if there is one. */
  reportPool: Pool;
  stock: StockClient;
  kafka: Kafka;
  logger: Logger;
  lifecycle: Pick<Lifecycle, 'onStop' | 'fail'>;
  metrics: SalesMetrics;
  /** Tells the relay of this process that there is something to publish. */
  wake: () => void;
  /** The grace of expiry. */
  graceMs: number;
  /** `PAYMENTS=sandbox`: buyers pay without a provider. */
  isSandbox: boolean;
  /** `WEBHOOK_ALLOW_PRIVATE` */
  webhookAllowPrivate: boolean;
}

/** Everything behind the routes, with the control sync running; tests use it too. */
export function assembleApi(deps: ApiDeps): Api {
  const {
    pool,
    reportPool,
    stock,
    kafka,
    logger,
    lifecycle,
    metrics,
    wake,
    graceMs,
    isSandbox,
    webhookAllowPrivate,
  } = deps;
  const store = new SaleStore(pool);
  const controlSync = new ControlSync({
    store,
    liftEpochs: (seen) => liftEpochs(pool, seen),
    decideAdjustments: (sent, acknowledgement) => decideAdjustments(pool, sent, acknowledgement),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'control sync' }),
    metrics,
  });
  runRole(lifecycle, 'control sync', (signal) => controlSync.run(signal));
  const sales = new Sales({
    store,
    storeRestock: (restock) => storeRestock(pool, restock),
    storeAdjustment: (adjustment) => storeAdjustment(pool, adjustment),
    readTaken: (adjustment) => readTaken(pool, adjustment),
    storeEdit: (edit) => storeEdit(pool, edit),
    listChanges: (saleId, page) => listChanges(pool, saleId, page),
    wake: (saleId) => {
      controlSync.wake(saleId);
    },
    untilSent: (saleId, ms) => controlSync.untilSent(saleId, ms),
    clock: systemClock,
  });
  const lateMoney = new LateMoney({
    store: createLateMoneyStore(pool),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'late money' }),
    metrics,
  });
  runRole(lifecycle, 'late money', (signal) => lateMoney.run(signal));
  const payments = new Payments({
    pool,
    wake,
    wakeLateMoney: () => {
      lateMoney.wake();
    },
    logger,
    metrics,
  });
  return {
    sales,
    saleList: new SaleList(pool),
    standings: new Standings({ pool, readSale: (saleId) => sales.read(saleId) }),
    recovery: new Recovery({ pool, store, clock: systemClock }),
    ledger: new LedgerReader(pool, { graceMs }),
    orders: new Orders({ pool, wake, logger, metrics }),
    operatorOrders: new OperatorOrders({ pool, wake, logger, metrics }),
    notices: new Notices({ pool, logger, metrics, payments }),
    refunds: new Refunds(pool, (reason) => {
      metrics.refundsDone.inc({ reason });
    }),
    deadLetters: new DeadLetters({ kafka, pool, readingMs: DEAD_LETTERS_READING_MS }),
    pickups: new Pickups(pool, logger),
    reports: new Reports(reportPool),
    webhooks: {
      endpoints: new WebhookEndpoints(pool, webhookAllowPrivate),
      deliveries: new WebhookDeliveries(pool),
    },
    isSandbox,
  };
}

function runClockSkew({ pool, stock, logger, lifecycle }: ApiDeps, metrics: ClockMetrics): void {
  const clockSkew = new ClockSkew({
    store: createClockStore(pool),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'clock skew' }),
    metrics,
  });
  runRole(lifecycle, 'clock skew', (signal) => clockSkew.run(signal));
}

/** In a pool of its own: to count the orders of a sale takes long. */
function runGroups(
  { stock, logger, lifecycle, metrics, wake }: ApiDeps,
  databaseUrl: string,
  own: ReturnType<typeof createGroupMetrics>,
): void {
  const log = logger.child({ part: 'groups' });
  const pool = createGroupsPool(databaseUrl, log);
  metrics.observePool('groups', pool);
  lifecycle.onStop('postgres of groups', () => pool.end());
  const groups = new Groups({
    store: createGroupStore(pool),
    stock,
    wake,
    clock: systemClock,
    logger: log,
    metrics: { ...metrics, ...own },
  });
  runRole(lifecycle, 'groups', (signal) => groups.run(signal));
}
