/**
 * What the baselines share: a Fastify server with the product's own identity, validation and errors. The
 * server takes one reservation a request, straight to one engine. The baselines do less than the product (no
 * limit per buyer, no cap per channel, no rate limit, no log line a request). A ratio to them therefore errs
 * on their side.
 */
import {
  detailOf,
  ReserveRequest,
  SaleId,
  SaleInput,
  type ItemCounts,
  type Reservation,
  type SaleItemInput,
} from './contracts.ts';
import { createIdentifier } from '@seckill/gateway/identity/identity';
import { readIdempotencyKey } from '@seckill/gateway/routes/idempotency-key';
import { secretKeys } from '@seckill/gateway/identity/token-keys';
import {
  ConfigReader,
  createHttp,
  createLogger,
  Lifecycle,
  Problem,
  readConfigOrExit,
} from '@seckill/runtime';
import { Type } from 'typebox';

export interface ShopRequest {
  saleId: string;
  userId: string;
  idempotencyKey: string;
  sku: string;
  quantity: number;
  channelId: string | undefined;
}

export type ShopAnswer =
  | { outcome: 'reserved'; replayed: boolean; reservation: Reservation }
  | { outcome: 'sold_out' | 'sku_not_found' | 'key_reused' | 'overloaded' };

/** One engine's way to sell. */
export interface Shop {
  open(saleId: string, items: SaleItemInput[]): Promise<void>;
  reserve(request: ShopRequest): Promise<ShopAnswer>;
  /** Counts in the engine itself. `orders` are rows or records, `held` are the units in them. */
  count(saleId: string): Promise<ItemCounts>;
  close(): Promise<void>;
}

const Params = Type.Object({ saleId: SaleId });

/** Runs a shop as a process. The variables are HOST, PORT, JWT_SECRET and the engine's. */
export async function serveShop(
  name: string,
  openShop: (reader: ConfigReader) => () => Promise<Shop>,
): Promise<void> {
  const { config, start } = readConfigOrExit(() => {
    const reader = new ConfigReader(process.env);
    const config = {
      host: reader.string('HOST', { default: '127.0.0.1' }),
      port: reader.integer('PORT', { default: 0, min: 0, max: 65_535 }),
      jwtSecret: reader.secret('JWT_SECRET', 32),
    };
    const start = openShop(reader);
    reader.done();
    return { config, start };
  });
  const logger = createLogger(name, 'warn');
  const lifecycle = new Lifecycle(logger);
  const shop = await start();
  lifecycle.onStop('shop', () => shop.close());
  const identifier = createIdentifier({
    keys: secretKeys(config.jwtSecret),
    issuer: undefined,
    audience: undefined,
  });
  const app = createHttp({ logger, isReady: () => lifecycle.isReady });

  app.post('/v1/sales', { schema: { body: SaleInput } }, async (request, reply) => {
    const { isOperator } = await identifier.identify(request.headers.authorization);
    if (!isOperator) throw new Problem('forbidden');
    const { id, items } = request.body;
    if (id === undefined) throw new Problem('invalid_request', { extra: { field: 'id' } });
    await shop.open(id, items);
    return reply.code(201).send({ id });
  });
  app.get('/v1/sales/:saleId', { schema: { params: Params } }, (request) =>
    shop.count(request.params.saleId),
  );
  app.post(
    '/v1/sales/:saleId/reservations',
    { schema: { params: Params, body: ReserveRequest } },
    async (request, reply) => {
      const { userId } = await identifier.identify(request.headers.authorization);
      const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
      const [line, ...others] = request.body.lines;
      // A baseline moves one row per reservation, because that is what is compared.
      if (line === undefined || others.length > 0) {
        throw new Problem('invalid_request', {
          detail: detailOf('schema_maxItems', { field: 'lines', limit: 1 }),
          extra: { field: 'lines' },
        });
      }
      const { channelId } = request.body;
      const { saleId } = request.params;
      const answer = await shop.reserve({ saleId, userId, idempotencyKey, ...line, channelId });
      if (answer.outcome !== 'reserved') throw new Problem(answer.outcome);
      if (answer.replayed) reply.header('idempotent-replayed', 'true');
      return reply.code(201).header('cache-control', 'no-store').send(answer.reservation);
    },
  );
  lifecycle.onStop('http', () => app.close());
  await app.listen({ host: config.host, port: config.port });
  lifecycle.ready();
}
