// Stands in for stock: a real HTTP server that speaks stock's side of the contract, towards the real order.
// The real stock needs Redis and the scripts, and services never import each other. These tests also decide
// whether stock answers late, wrongly, or not at all. Both services together are tested in test/.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { ControlState, RetakeAnswer, RetakeRequest, Snapshot } from '@seckill/contracts';
import { Upstream } from '@seckill/runtime';
import type { Test } from 'tap';

export const TOKENS = {
  order: 'order-token-of-at-least-32-characters',
  gateway: 'gateway-token-of-at-least-32-characters',
  stock: 'stock-token-of-at-least-32-characters',
};

export interface Stock {
  url: string;
  /** Control states as they came, whether they were answered or not. */
  seen: ControlState[];
  /** What stock holds of each sale. Only a higher version replaces it. */
  applied: Map<string, ControlState>;
  epochs: Map<string, number>;
  /** What was taken out of the items of each sale, by the id of the adjustment. */
  adjusted: Map<string, Map<string, number>>;
  /** Units of a SKU that are available. A SKU without a number has all of its total. */
  available: Map<string, number>;
  /** The status that answers every control state. Undefined: stock answers as it should. */
  answer: number | undefined;
  /** Milliseconds before a control state is applied. */
  delayMs: number;
  /** How far its clock is ahead of ours; milliseconds. */
  clockAheadMs: number;
  /** How often it was asked for its clock. */
  clockReads: number;
  /**
   * What it says of expired orders whose money came. About any other order it says that it cannot tell yet.
   */
  retakes: Map<string, RetakeAnswer>;
  /**
   * Order's address. This address is called back for the load of a sale that is new or distrusted, as the
   * real stock does. Undefined: the sale is loaded without a call.
   */
  orderUrl: string | undefined;
  up(): Promise<void>;
  down(): Promise<void>;
}

export async function createStock(t: Test): Promise<Stock> {
  let server = createServer();
  let port = 0;
  const stock: Stock = {
    url: '',
    seen: [],
    applied: new Map(),
    epochs: new Map(),
    adjusted: new Map(),
    available: new Map(),
    answer: undefined,
    delayMs: 0,
    clockAheadMs: 0,
    clockReads: 0,
    retakes: new Map(),
    orderUrl: undefined,
    async up() {
      server = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const isOrder = request.headers.authorization === `Bearer ${TOKENS.order}`;
          if (isOrder && request.method === 'GET' && request.url === '/internal/clock') {
            stock.clockReads += 1;
            return void response.end(JSON.stringify({ now: Date.now() + stock.clockAheadMs }));
          }
          if (isOrder && request.method === 'POST' && request.url === '/internal/retakes') {
            const { reservationIds } = JSON.parse(Buffer.concat(chunks).toString()) as RetakeRequest;
            const later: RetakeAnswer = { result: 'later', reason: 'unsettled' };
            const answers = reservationIds.map((id) => stock.retakes.get(id) ?? later);
            return void response.end(JSON.stringify(answers));
          }
          const isControl = request.method === 'PUT' && request.url?.startsWith('/internal/sales/') === true;
          if (!isOrder || !isControl) return void response.writeHead(isOrder ? 404 : 403).end();
          putControl(stock, JSON.parse(Buffer.concat(chunks).toString()) as ControlState).then(
            ({ status, body }) => response.writeHead(status).end(JSON.stringify(body)),
            () => response.writeHead(500).end(),
          );
        });
      }).listen(port, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      if (typeof address === 'object' && address !== null) port = address.port;
      stock.url = `http://127.0.0.1:${port}`;
    },
    async down() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  await stock.up();
  t.teardown(() => stock.down());
  return stock;
}

async function putControl(stock: Stock, control: ControlState): Promise<{ status: number; body: unknown }> {
  const { saleId } = control;
  stock.seen.push(control);
  if (stock.answer !== undefined) return { status: stock.answer, body: { code: 'overloaded' } };
  if (stock.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, stock.delayMs));
  const epoch = stock.epochs.get(saleId) ?? 0;
  const isTrusted = epoch > control.distrustedEpoch;
  if (stock.orderUrl !== undefined && !isTrusted) await load(stock, stock.orderUrl, saleId, epoch);
  const held = stock.applied.get(saleId);
  if (held === undefined || held.version < control.version)
    stock.adjusted.set(saleId, takeOut(stock, control));
  if (held === undefined || held.version < control.version) stock.applied.set(saleId, control);
  const version = stock.applied.get(saleId)?.version;
  const asked = control.items.flatMap(({ adjustment }) => adjustment?.id ?? []);
  const adjusted = [...(stock.adjusted.get(saleId) ?? [])].flatMap(([id, taken]) =>
    asked.includes(id) ? [{ id, taken }] : [],
  );
  return { status: 200, body: { saleId, version, epoch: stock.epochs.get(saleId) ?? 0, adjusted } };
}

/** Takes units as control.lua does, out of what the test says is available. */
function takeOut(stock: Stock, { saleId, items }: ControlState): Map<string, number> {
  const known = stock.adjusted.get(saleId);
  return new Map(
    items.flatMap(({ sku, total, adjustment }) => {
      if (adjustment === undefined) return [];
      const available = stock.available.get(sku) ?? total;
      return [[adjustment.id, known?.get(adjustment.id) ?? Math.min(adjustment.quantity, available)]];
    }),
  );
}

async function load(stock: Stock, orderUrl: string, saleId: string, above: number): Promise<void> {
  const order = new Upstream({ url: orderUrl, token: TOKENS.stock, connections: 1, timeoutMs: 2_000 });
  try {
    const path = `/internal/sales/${saleId}`;
    // The first load needs no Kafka, because nobody publishes anything here.
    const ends = above === 0 ? {} : { ends: [] };
    const body = { above, ...ends };
    const snapshot = await order.call({ method: 'POST', path: `${path}/snapshots`, body });
    const { epoch, control } = snapshot.body as Snapshot;
    const { version } = control;
    const opening = await order.call({
      method: 'POST',
      path: `${path}/openings`,
      body: { lane: 0, epoch, sequence: 0, version, ...ends },
    });
    if ((opening.body as { granted?: boolean }).granted !== true) throw new Error('not granted');
    stock.epochs.set(saleId, epoch);
  } finally {
    await order.close();
  }
}
