/**
 * Baseline `bare`: a Fastify route with the product's own schema of a reservation and a constant answer. The
 * route knows no token, hook, limit or log, and is the least that a Fastify product can cost.
 */
import { ReserveRequest, SaleId } from './contracts.ts';
import Fastify from 'fastify';
import { Type } from 'typebox';

const ANSWER = {
  id: 'bare.0.AAAAAAAAAAAAAAAAAAAAAA',
  saleId: 'bare',
  userId: 'bare-0000000001',
  lines: [{ sku: 'unit', quantity: 1, price: { amount: 2_990, currency: 'CNY' } }],
  channelId: 'group',
  status: 'pending',
  amount: { amount: 2_990, currency: 'CNY' },
  reservedAt: '2026-11-22T12:00:00.000Z',
  expiresAt: '2026-11-22T13:00:00.000Z',
};

const app = Fastify({ keepAliveTimeout: 72_000 });
app.get('/readyz', () => ({}));
app.post(
  '/v1/sales/:saleId/reservations',
  { schema: { params: Type.Object({ saleId: SaleId }), body: ReserveRequest } },
  (_request, reply) => {
    reply.code(201).send(ANSWER);
  },
);
process.on('SIGTERM', () => {
  void app.close();
});
await app.listen({ port: Number(process.env['PORT'] ?? 0), host: process.env['HOST'] ?? '127.0.0.1' });
