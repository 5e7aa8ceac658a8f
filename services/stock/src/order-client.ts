import {
  ControlState,
  SnapshotHorizon,
  type EndedPage,
  type LedgerReading,
  type Opening,
  type OpeningRequest,
  type SalesToLoad,
  type SaleToLoad,
  type Snapshot,
  type SnapshotPage,
  type SnapshotRequest,
  type Verdicts,
  type VerdictsRequest,
} from '@seckill/contracts';
import { Upstream } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

/**
 * `gone`: order knows no such sale, or has retired it; `conflict`: order refuses, and a repeat will not
 * change that; `unavailable`: it could not answer now.
 */
export class OrderError extends Error {
  override readonly name = 'OrderError';
  readonly code: 'SECKILL_ORDER_GONE' | 'SECKILL_ORDER_CONFLICT' | 'SECKILL_ORDER_UNAVAILABLE';
  constructor(kind: 'gone' | 'conflict' | 'unavailable', message: string) {
    super(message);
    this.code = `SECKILL_ORDER_${kind.toUpperCase() as Uppercase<typeof kind>}`;
  }
}

/** Order waits up to 2 s for the intake, and then reads a page of orders. */
const WAITING_TIMEOUT_MS = 10_000;
const controlState = Compile(ControlState);
const horizon = Compile(SnapshotHorizon);

/** What stock asks of order. Nothing here repeats by itself. Each throws OrderError or UpstreamError. */
export class OrderClient {
  readonly #upstream: Upstream;

  constructor(options: { url: string; token: string }) {
    this.#upstream = new Upstream({ ...options, connections: 32, timeoutMs: 3_000 });
  }

  /** Every sale that stock must hold. */
  async listSales(): Promise<SaleToLoad[]> {
    const { sales } = (await this.#call('GET', '/internal/sales')) as Partial<SalesToLoad>;
    if (!Array.isArray(sales)) throw new OrderError('unavailable', 'the list of sales is not one');
    return sales;
  }

  /** Raises the sale's epoch; the first page. */
  async takeSnapshot(saleId: string, request: SnapshotRequest): Promise<Snapshot> {
    const body = await this.#call('POST', `${pathOf(saleId)}/snapshots`, request);
    const { epoch, control, since, orders, after } = body as Partial<Snapshot>;
    const isWhole = Number.isSafeInteger(epoch) && controlState.Check(control) && horizon.Check(since);
    if (!isWhole || typeof orders !== 'string')
      throw new OrderError('unavailable', 'the snapshot is not one');
    return { epoch: epoch ?? 0, control, since, orders, ...(after === undefined ? {} : { after }) };
  }

  async readSnapshotPage(saleId: string, after: string): Promise<SnapshotPage> {
    const path = `${pathOf(saleId)}/snapshots?after=${encodeURIComponent(after)}`;
    const { orders, after: next } = (await this.#call('GET', path)) as Partial<SnapshotPage>;
    if (typeof orders !== 'string') throw new OrderError('unavailable', 'the page of a snapshot is not one');
    return { orders, ...(next === undefined ? {} : { after: next }) };
  }

  /** What ended since the snapshot, among some of the orders. */
  async readEnded(saleId: string, since: SnapshotHorizon, from?: string): Promise<EndedPage> {
    const path = `${pathOf(saleId)}/verdicts?since=${since}${from === undefined ? '' : `&after=${from}`}`;
    const { ended, after } = (await this.#call('GET', path)) as Partial<EndedPage>;
    if (!Array.isArray(ended)) throw new OrderError('unavailable', 'the page of ends is not one');
    return { ended, ...(after === undefined ? {} : { after }) };
  }

  /** What came back of paid orders, among some of them. */
  async readReturned(saleId: string, from?: string): Promise<EndedPage> {
    const path = `${pathOf(saleId)}/returns${from === undefined ? '' : `?after=${from}`}`;
    try {
      const { ended, after } = (await this.#call('GET', path)) as Partial<EndedPage>;
      if (!Array.isArray(ended)) throw new OrderError('unavailable', 'the page of returns is not one');
      return { ended, ...(after === undefined ? {} : { after }) };
    } catch (error) {
      // An order service of before knows no such route, and took nothing back.
      if (error instanceof OrderError && error.code === 'SECKILL_ORDER_GONE') return { ended: [] };
      throw error;
    }
  }

  /** May what the lane holds be opened? */
  async askOpening(saleId: string, request: OpeningRequest): Promise<Opening> {
    const opening = (await this.#call('POST', `${pathOf(saleId)}/openings`, request)) as Partial<Opening>;
    const granted = opening.granted === true && opening.epoch === request.epoch;
    return { epoch: request.epoch, granted, refusal: opening.refusal ?? 'superseded' };
  }

  /** What Postgres decided about holds, once the intake has reached the ends given. */
  async readVerdicts(saleId: string, request: VerdictsRequest): Promise<Verdicts> {
    const body = await this.#call('POST', `${pathOf(saleId)}/verdicts`, request);
    const { ended, unknown } = body as Partial<Verdicts>;
    if (!Array.isArray(ended) || !Array.isArray(unknown)) {
      throw new OrderError('unavailable', 'the verdicts are none');
    }
    return { ended, unknown };
  }

  /** Postgres' side of the audit. */
  async readLedger(saleId: string): Promise<LedgerReading> {
    return (await this.#call('GET', `${pathOf(saleId)}/ledger`)) as LedgerReading;
  }

  async #call(method: 'GET' | 'POST', path: string, body?: object): Promise<object> {
    const answer = await this.#upstream.call({
      method,
      path,
      ...(body === undefined ? {} : { body }),
      timeoutMs: WAITING_TIMEOUT_MS,
    });
    const what = `${method} ${path.split('?', 1)[0] ?? ''}: order answered ${answer.status}`;
    if (answer.status === 404 || answer.status === 410) throw new OrderError('gone', what);
    if (answer.status === 409) throw new OrderError('conflict', what);
    if (answer.status >= 300 || typeof answer.body !== 'object' || answer.body === null) {
      throw new OrderError('unavailable', what);
    }
    return answer.body;
  }

  async close(): Promise<void> {
    await this.#upstream.close();
  }
}

function pathOf(saleId: string): string {
  return `/internal/sales/${saleId}`;
}
