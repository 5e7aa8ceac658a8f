/**
 * Baseline `plain`: a constant stub in stock's place, behind the product's own complete gateway. The baseline
 * shows what the gateway, the load and the HTTP hop between them cost when nothing is decided and nothing is
 * stored.
 */
import { createServer } from 'node:http';

const RESERVED = JSON.stringify({
  outcome: 'reserved',
  replayed: false,
  reservation: {
    id: 'plain.0.AAAAAAAAAAAAAAAAAAAAAA',
    saleId: 'plain',
    userId: 'plain-0000000001',
    lines: [{ sku: 'unit', quantity: 1, price: { amount: 2_990, currency: 'CNY' } }],
    channelId: 'group',
    status: 'pending',
    amount: { amount: 2_990, currency: 'CNY' },
    reservedAt: '2026-11-22T12:00:00.000Z',
    expiresAt: '2026-11-22T13:00:00.000Z',
  },
});

/**
 * Counts the items of a batch for one answer each. The items are not parsed, because a stub decides nothing.
 */
function countItems(body: string): number {
  let count = 0;
  for (let at = body.indexOf('"saleId":'); at >= 0; at = body.indexOf('"saleId":', at + 1)) count += 1;
  return count;
}

const server = createServer((request, response) => {
  if (request.url === '/readyz') {
    response.end('{}');
    return;
  }
  if (request.method !== 'POST' || request.url !== '/internal/reservations') {
    // With this answer the gateway knows nothing of any sale and asks for each reservation.
    response.writeHead(503).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
  });
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const answers = Array<string>(countItems(body?.toString() ?? '')).fill(RESERVED);
    const text = `[${answers.join(',')}]`;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
  });
});
server.keepAliveTimeout = 72_000;
server.listen(Number(process.env['PORT'] ?? 0), process.env['HOST'] ?? '127.0.0.1');
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
