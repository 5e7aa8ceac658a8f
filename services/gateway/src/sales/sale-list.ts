import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { SaleRecord, SaleRecordPage, SalesQuery } from '@seckill/contracts';
import { Problem, UpstreamError } from '@seckill/runtime';
import type { OrderClient } from '../upstream/order-client.ts';
import type { Trace } from '../upstream/trace.ts';
import type { SaleReader } from './sale-reader.ts';
import type { SaleAnswer, SaleReading } from './sale-reading.ts';

/** Everyone who asks for the same page within this time is told the same. */
const SHARED_MS = 500;
/** Pages that are kept, at most 100 sales each. Beyond this number the oldest is forgotten. */
const PAGES_MAX = 100;
/** Pages that are being made at a time. Each costs order a reading of all sales (10 to 15 ms for 10,000). */
const MAKINGS_MAX = 4;
/** Sales of one page of which stock is asked at a time. */
const LOOKS_TOGETHER = 8;

const compress = promisify(gzip);

/** A page as text. The page's tag is of everything but the clock and the cursor, which names an instant. */
export class SalePageText {
  readonly text: string;
  readonly etag: string;
  #gzipped: Promise<Buffer> | undefined;

  constructor(answers: readonly SaleAnswer[], nextCursor: string | undefined) {
    const sales = answers.map(({ head, tail }) => head.with(tail)).join(',');
    const next = nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(nextCursor)}`;
    this.text = `{"data":[${sales}]${next}}`;
    const tags = [...answers.map(({ etag }) => etag), nextCursor === undefined ? 'end' : 'more'].join(' ');
    this.etag = `W/"${createHash('sha256').update(tags).digest('base64url').slice(0, 22)}"`;
  }

  /** Made once for all who want it. */
  gzipped(): Promise<Buffer> {
    this.#gzipped ??= compress(this.text);
    return this.#gzipped;
  }
}

interface Kept {
  startedAt: number;
  page: Promise<SalePageText>;
}

export interface SaleListDeps {
  order: Pick<OrderClient, 'sales'>;
  reader: Pick<SaleReader, 'readingOf'>;
  /** Milliseconds, monotonic. */
  now: () => number;
}

/**
 * Pages of all sales. Which sales there are is order's to say, because no announcement names a sale that was
 * never asked about. How many units they have comes from the memory, and from stock where that is silent. A
 * page is made once for all who ask for it within half a second, so a crowd on a front page costs two makings
 * a second.
 */
export class SaleList {
  readonly #deps: SaleListDeps;
  /** Calls by language and query, because order tells of a fault in the language of the caller. */
  readonly #kept = new Map<string, Kept>();
  #makings = 0;

  constructor(deps: SaleListDeps) {
    this.#deps = deps;
  }

  /**
   * @throws Problem `invalid_request` (cursor), `overloaded`, `sale_unavailable` when stock cannot be
   * asked
   */
  read(query: SalesQuery, trace: Trace): Promise<SalePageText> {
    const text = toQueryText(query);
    const key = `${trace.language} ${text}`;
    const now = this.#deps.now();
    const kept = this.#kept.get(key);
    if (kept !== undefined && now - kept.startedAt < SHARED_MS) return kept.page;
    const page = this.#make(text, query, trace);
    this.#kept.delete(key);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= PAGES_MAX && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, { startedAt: now, page });
    page.catch(() => {
      if (this.#kept.get(key)?.page === page) this.#kept.delete(key);
    });
    return page;
  }

  /** With every field, for operators: made for each of them. @throws Problem as `read` */
  async readAsOperator(query: SalesQuery, trace: Trace): Promise<SalePageText> {
    const text = toQueryText(query);
    const all = query.channelId === undefined ? `${text === '' ? '?' : `${text}&`}channels=all` : text;
    const { found, nextCursor } = await this.#find(all, query, trace);
    return new SalePageText(
      found.map((reading) => reading.operatorAnswer()),
      nextCursor,
    );
  }

  /** An operator changed a sale here, and whoever lists the sales here is told of it at once. */
  forget(): void {
    this.#kept.clear();
  }

  async #make(text: string, query: SalesQuery, trace: Trace): Promise<SalePageText> {
    const { found, nextCursor } = await this.#find(text, query, trace);
    const answers = found.map((reading) => reading.publicAnswer(reading.state.now, query.channelId));
    return new SalePageText(answers, nextCursor);
  }

  async #find(text: string, { state }: SalesQuery, trace: Trace) {
    if (this.#makings >= MAKINGS_MAX) throw new Problem('overloaded');
    this.#makings += 1;
    try {
      const page: SaleRecordPage = await this.#deps.order.sales(text, trace);
      const found: SaleReading[] = [];
      for (let at = 0; at < page.data.length; at += LOOKS_TOGETHER) {
        const some = page.data.slice(at, at + LOOKS_TOGETHER);
        const readings = await Promise.all(some.map((record) => this.#look(record, trace)));
        // Order judges a window by its own clock, and the sale is shown by Redis'.
        for (const reading of readings) {
          if (reading !== undefined && (state === undefined || reading.shownState === state))
            found.push(reading);
        }
      }
      return { found, nextCursor: page.nextCursor };
    } finally {
      this.#makings -= 1;
    }
  }

  /** Undefined for a sale that Redis has lost: what is left of it is not known now. */
  async #look(record: SaleRecord, trace: Trace): Promise<SaleReading | undefined> {
    try {
      return await this.#deps.reader.readingOf(record, trace);
    } catch (error) {
      const isLost = error instanceof Problem && error.code === 'sale_unavailable';
      // A stock that does not answer says nothing of any sale.
      if (!isLost || error.cause instanceof UpstreamError) throw error;
      return undefined;
    }
  }
}

/** One text for one page, however the client wrote it. */
function toQueryText({ state, channelId, limit, cursor }: SalesQuery): string {
  const terms = Object.entries({ state, channelId, limit, cursor })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return terms.length === 0 ? '' : `?${terms.join('&')}`;
}
