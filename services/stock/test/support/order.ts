import { createServer } from 'node:http';
import { once } from 'node:events';
import type { ControlState, Snapshot, SnapshotOrder } from '@seckill/contracts';
import type { Test } from 'tap';

export const TOKENS = {
  stock: 's'.repeat(32),
  gateway: 'g'.repeat(32),
  order: 'o'.repeat(32),
} as const;

/** The two calls that stock makes, over real HTTP; the numbers are order's to give, so each test sets them. */
export class OrderSide {
  url = '';
  epoch = 0;
  controls = new Map<string, ControlState>();
  orders: SnapshotOrder[] = [];
  /** Instead of an answer, for as long as it is set. */
  snapshotStatus: number | undefined;
  grants: (epoch: number) => boolean = (epoch) => epoch === this.epoch;
  /** Runs before a snapshot is answered. */
  onSnapshot: () => Promise<void> = async () => undefined;
  calls: string[] = [];

  async answer(path: string, body: { epoch?: number }): Promise<{ status: number; body: unknown }> {
    const [, saleId = '', what] = /^\/internal\/sales\/([^/]+)\/(\w+)$/.exec(path) ?? [];
    this.calls.push(`${what ?? path} ${body.epoch ?? ''}`.trim());
    if (what === 'openings') {
      const epoch = body.epoch ?? 0;
      return { status: 200, body: { epoch, granted: this.grants(epoch) } };
    }
    if (this.snapshotStatus !== undefined) return { status: this.snapshotStatus, body: { code: 'conflict' } };
    this.epoch += 1;
    const { epoch } = this;
    const control = this.controls.get(saleId);
    if (control === undefined) return { status: 404, body: { code: 'sale_not_found' } };
    const snapshot: Snapshot = { epoch, control, orders: this.orders };
    await this.onSnapshot();
    return { status: 200, body: snapshot };
  }
}

export async function startOrderSide(t: Test): Promise<OrderSide> {
  const side = new OrderSide();
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const isOurs = request.headers.authorization === `Bearer ${TOKENS.stock}`;
      const body = JSON.parse(Buffer.concat(parts).toString()) as { epoch?: number };
      void side.answer(request.url ?? '', body).then((answer) => {
        response.writeHead(isOurs ? answer.status : 403, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer.body));
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  side.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return side;
}
