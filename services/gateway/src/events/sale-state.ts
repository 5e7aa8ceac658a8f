import { formatInstant, type Sale, type SaleCounts } from '@seckill/contracts';
import type { SaleReading } from '../sales/sale-reading.ts';

/** A state of a sale as the events that tell of it, each serialised once. */
export class SaleState {
  readonly id: string;
  readonly version: number;
  readonly isClosed: boolean;
  readonly #reading: SaleReading;
  readonly #now: number;
  #whole: Buffer | undefined;
  #counts: Buffer | undefined;

  /** @param now Redis' clock */
  constructor(reading: SaleReading, now: number) {
    const { head } = reading.publicAnswer(now, undefined);
    this.version = reading.record.version;
    this.id = `${this.version}.${head.tag}`;
    this.isClosed = reading.shownState === 'closed';
    this.#reading = reading;
    this.#now = now;
  }

  /** Everything, as `GET /v1/sales/:saleId` shows it. */
  get whole(): Buffer {
    if (this.#whole === undefined) {
      const { head, tail } = this.#reading.publicAnswer(this.#now, undefined);
      this.#whole = this.#format('sale', head.with(tail));
    }
    return this.#whole;
  }

  /** What changes while a sale sells. */
  get counts(): Buffer {
    if (this.#counts === undefined) {
      const { state, items } = this.#reading.view;
      const counts = items.map(toCounts);
      const body = { state, version: this.version, items: counts, serverTime: formatInstant(this.#now) };
      this.#counts = this.#format('counts', JSON.stringify(body));
    }
    return this.#counts;
  }

  #format(event: string, data: string): Buffer {
    return Buffer.from(`id: ${this.id}\nevent: ${event}\ndata: ${data}\n\n`);
  }
}

function toCounts({
  sku,
  total,
  available,
  held,
  paid,
  soldOut,
}: Sale['items'][number]): SaleCounts['items'][number] {
  return { sku, total, available, held, paid, soldOut };
}
