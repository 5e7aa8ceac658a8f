import { runRole, systemClock } from '@seckill/runtime';
import type { Api } from './app.ts';
import { LedgerReader } from './audit/ledger-reading.ts';
import { createHttpPool } from './database.ts';
import type { OrderDeps } from './deps.ts';
import { Orders } from './orders/orders.ts';
import { Payments } from './payments/payments.ts';
import { liftEpochs } from './recovery/epochs.ts';
import { Recovery } from './recovery/recovery.ts';
import { ClockSkew, createClockStore } from './sales/clock-skew.ts';
import { ControlSync, CONTROL_SYNC_CONCURRENCY } from './sales/control-sync.ts';
import { storeRestock } from './sales/restock-store.ts';
import { SaleStore } from './sales/sale-store.ts';
import { Sales } from './sales/sales.ts';
import { createStockClient } from './stock-client.ts';

/** Everything behind the routes of the role `http`. */
export function startApi({ config, logger, lifecycle, metrics, wake }: OrderDeps): Api {
  const pool = createHttpPool(config.databaseUrl, logger);
  lifecycle.onStop('postgres of http', () => pool.end());
  const stock = createStockClient({
    url: config.stockUrl,
    token: config.orderToken,
    // And one for the clock, which must not wait behind a load.
    connections: CONTROL_SYNC_CONCURRENCY + 1,
  });
  lifecycle.onStop('stock client', () => stock.close());

  const store = new SaleStore(pool);
  const controlSync = new ControlSync({
    store,
    liftEpochs: (seen) => liftEpochs(pool, seen),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'control sync' }),
    metrics,
  });
  runRole(lifecycle, 'control sync', (signal) => controlSync.run(signal));
  const clockSkew = new ClockSkew({
    store: createClockStore(pool),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'clock skew' }),
    metrics,
  });
  runRole(lifecycle, 'clock skew', (signal) => clockSkew.run(signal));
  const sales = new Sales({
    store,
    storeRestock: (restock) => storeRestock(pool, restock),
    wake: (saleId) => {
      controlSync.wake(saleId);
    },
    clock: systemClock,
  });
  const deps = { pool, wake, logger, metrics };
  return {
    sales,
    recovery: new Recovery({ pool, store, clock: systemClock }),
    ledger: new LedgerReader(pool, { graceMs: config.expiryGraceMs }),
    orders: new Orders(deps),
    payments: new Payments(deps),
    isSandbox: config.payments === 'sandbox',
  };
}
