import { SaleId } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Sales } from '../sales.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const OpeningInput = Type.Object({ epoch: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });

/** For stock, while it loads a sale. Handover may be waiting for that very load: nothing here waits for handover. */
export function internalSalesRoutes(app: Http, sales: Sales): void {
  app.get('/internal/sales', async () => ({ sales: await sales.listToLoad() }));

  app.post('/internal/sales/:saleId/snapshots', { schema: { params: SaleParams } }, async ({ params }) =>
    sales.takeSnapshot(params.saleId),
  );

  app.post(
    '/internal/sales/:saleId/openings',
    { schema: { params: SaleParams, body: OpeningInput } },
    async ({ params, body }) => sales.open(params.saleId, body.epoch),
  );
}
