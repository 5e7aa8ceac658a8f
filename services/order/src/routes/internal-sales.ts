import {
  EndedQuery,
  LIMITS,
  OpeningRequest,
  OrderCursor,
  ReturnsQuery,
  SaleId,
  SnapshotRequest,
  VerdictsRequest,
} from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { LedgerReader } from '../audit/ledger-reading.ts';
import type { Recovery } from '../recovery/recovery.ts';
import type { Sales } from '../sales/sales.ts';

const params = Type.Object({ saleId: SaleId });
const AfterQuery = Type.Object({ after: OrderCursor }, { additionalProperties: false });
/** A question for verdicts: 500 ids of at most 128 characters, and the ends of 1,024 partitions. */
const bodyLimit = LIMITS.rebuildPageMax * (LIMITS.reservationIdLengthMax + '"",'.length) + 32_768;

export interface InternalSalesDeps {
  sales: Sales;
  recovery: Recovery;
  ledger: LedgerReader;
}

/**
 * The routes for stock, while stock checks or loads a sale. The control sync may be waiting for that very
 * load, so no route here waits for the control sync.
 */
export function internalSalesRoutes(app: Http, { sales, recovery, ledger }: InternalSalesDeps): void {
  app.get('/internal/sales', async () => ({ sales: await sales.listToLoad() }));

  app.post(
    '/internal/sales/:saleId/snapshots',
    { schema: { params, body: SnapshotRequest }, bodyLimit },
    async ({ params: { saleId }, body }, reply) => {
      const { json } = await recovery.takeSnapshot(saleId, body);
      return reply.type('application/json').send(json);
    },
  );

  app.get(
    '/internal/sales/:saleId/snapshots',
    { schema: { params, querystring: AfterQuery } },
    async ({ params: { saleId }, query }, reply) => {
      const { json } = await recovery.readPage(saleId, query.after);
      return reply.type('application/json').send(json);
    },
  );

  app.post(
    '/internal/sales/:saleId/openings',
    { schema: { params, body: OpeningRequest }, bodyLimit },
    async ({ params: { saleId }, body }) => recovery.open(saleId, body),
  );

  app.post(
    '/internal/sales/:saleId/verdicts',
    { schema: { params, body: VerdictsRequest }, bodyLimit },
    async ({ params: { saleId }, body }) => recovery.readVerdicts(saleId, body),
  );

  app.get(
    '/internal/sales/:saleId/verdicts',
    { schema: { params, querystring: EndedQuery } },
    async ({ params: { saleId }, query }) => recovery.readEnded(saleId, query),
  );

  app.get(
    '/internal/sales/:saleId/returns',
    { schema: { params, querystring: ReturnsQuery } },
    async ({ params: { saleId }, query }) => recovery.readReturned(saleId, query.after),
  );

  app.get('/internal/sales/:saleId/ledger', { schema: { params } }, async ({ params: { saleId } }) =>
    ledger.read(saleId),
  );
}
