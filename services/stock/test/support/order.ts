import { createServer } from 'node:http';
import { once } from 'node:events';
import type {
  ControlState,
  EndedPage,
  LedgerReading,
  OpeningRefusal,
  OpeningRequest,
  Snapshot,
  SnapshotOrder,
  SnapshotPage,
  SnapshotRequest,
  Verdicts,
  VerdictsRequest,
} from '@seckill/contracts';
import type { Test } from 'tap';
import { formatSnapshotOrders } from './snapshot.ts';

export const TOKENS = {
  stock: 's'.repeat(32),
  gateway: 'g'.repeat(32),
  order: 'o'.repeat(32),
} as const;

const PAGE_ORDERS = 500;

/**
 * Stands in for order: takes the calls that stock makes, over real HTTP. Each test sets the answers. Both
 * services together are tested in test/faults.
 */
export class OrderSide {
  url = '';
  epoch = 0;
  controls = new Map<string, ControlState>();
  /** The epoch of every sale. */
  orders: SnapshotOrder[] = [];
  /** The status that a snapshot is answered with, for as long as it is set. */
  snapshotStatus: number | undefined;
  listStatus: number | undefined;
  grants: (epoch: number) => boolean = (epoch) => epoch === this.epoch;
  refusal: OpeningRefusal = 'superseded';
  /** Verdicts by reservation id. An order that is neither here nor in `unknown` is pending. */
  ended = new Map<string, Verdicts['ended'][number]['verdict']>();
  unknown = new Set<string>();
  /** Verdicts on retakes by `<reservation id> <retake>`. Order knows no other retake. */
  endedRetakes = new Map<string, Verdicts['ended'][number]['verdict']>();
  /** Units of paid orders that came back. */
  returned: EndedPage['ended'] = [];
  /** Sales that order has retired. */
  retiring = new Set<string>();
  /** Runs before a snapshot is answered. */
  onSnapshot: () => Promise<void> = async () => undefined;
  /** Runs before an opening is answered. */
  onOpening: (request: OpeningRequest) => Promise<void> = async () => undefined;
  /** Postgres' side of the audit. Undefined: there is no such sale. */
  readLedger: (saleId: string) => Promise<LedgerReading | undefined> = async () => undefined;
  calls: string[] = [];
  readonly #epochs = new Map<string, number>();

  async answer(path: string, body: object): Promise<{ status: number; body: unknown }> {
    const [, saleId = '', what, after] =
      /^\/internal\/sales\/([^/]+)\/(\w+)(?:\?after=(\d+))?$/.exec(path) ?? [];
    if (path === '/internal/sales') return { status: this.listStatus ?? 200, body: { sales: this.#list() } };
    if (what === 'ledger') {
      const ledger = await this.readLedger(saleId);
      return { status: ledger === undefined ? 404 : 200, body: ledger ?? { code: 'sale_not_found' } };
    }
    if (what === 'returns') return { status: 200, body: { ended: this.returned } };
    const isSince = path.includes('?since=');
    if (isSince) return { status: 200, body: this.#endedOf(path.split('/')[3] ?? '') };
    if (what === 'verdicts') return { status: 200, body: this.#judge(body as VerdictsRequest) };
    if (after !== undefined) return { status: 200, body: this.#page(Number(after)) };
    if (what === 'openings') return this.#open(body as OpeningRequest);
    this.calls.push(what ?? path);
    if (this.snapshotStatus !== undefined) return { status: this.snapshotStatus, body: { code: 'conflict' } };
    const control = this.controls.get(saleId);
    if (control === undefined) return { status: 404, body: { code: 'sale_not_found' } };
    this.epoch = Math.max(this.epoch, (body as SnapshotRequest).above ?? 0) + 1;
    this.#epochs.set(saleId, this.epoch);
    const snapshot: Snapshot = { epoch: this.epoch, control, since: '1', ...this.#page(0) };
    await this.onSnapshot();
    return { status: 200, body: snapshot };
  }

  #list() {
    return [...this.controls.keys()].map((saleId) => ({
      saleId,
      epoch: this.#epochs.get(saleId) ?? 0,
      mayRetire: this.retiring.has(saleId),
      lanes: 1,
    }));
  }

  async #open(request: OpeningRequest): Promise<{ status: number; body: unknown }> {
    const { epoch } = request;
    this.calls.push(`openings ${epoch}`);
    await this.onOpening(request);
    const granted = this.grants(epoch);
    return { status: 200, body: { epoch, granted, ...(granted ? {} : { refusal: this.refusal }) } };
  }

  #judge({ reservationIds, retakes = [] }: VerdictsRequest): Verdicts {
    const verdictOf = ({ reservationId, retake }: (typeof retakes)[number]) =>
      this.endedRetakes.get(`${reservationId} ${retake}`);
    const ended: Verdicts['ended'] = reservationIds.flatMap((reservationId) => {
      const verdict = this.ended.get(reservationId);
      return verdict === undefined ? [] : [{ reservationId, verdict }];
    });
    for (const one of retakes) {
      const verdict = verdictOf(one);
      if (verdict !== undefined) ended.push({ ...one, verdict });
    }
    const unknown = retakes.filter((one) => verdictOf(one) === undefined);
    return {
      ended,
      unknown: [
        ...reservationIds.filter((id) => this.unknown.has(id)),
        ...unknown.map(({ reservationId }) => reservationId),
      ],
    };
  }

  /** Gives all verdicts, as if all orders had ended since the snapshot. */
  #endedOf(saleId: string): EndedPage {
    const ended = [...this.ended].filter(([id]) => id.startsWith(`${saleId}.`));
    return { ended: ended.map(([reservationId, verdict]) => ({ reservationId, verdict })) };
  }

  #page(start: number): SnapshotPage {
    const end = start + PAGE_ORDERS;
    return {
      orders: formatSnapshotOrders(this.orders.slice(start, end)),
      ...(end < this.orders.length ? { after: String(end) } : {}),
    };
  }
}

export async function startOrderSide(t: Test): Promise<OrderSide> {
  const side = new OrderSide();
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const isOurs = request.headers.authorization === `Bearer ${TOKENS.stock}`;
      const text = Buffer.concat(parts).toString();
      const body = (text === '' ? {} : JSON.parse(text)) as object;
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
