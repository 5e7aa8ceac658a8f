import type { OrderStanding, SaleRecord } from '@seckill/contracts';
import type { Pool } from '@seckill/runtime';
import { readStanding } from './standing-reading.ts';

export interface StandingsDeps {
  pool: Pool;
  /** @throws Problem `sale_not_found` */
  readSale: (saleId: string) => Promise<SaleRecord>;
}

/** What order knows of why a sale sells or not, for operators. */
export class Standings {
  readonly #deps: StandingsDeps;
  readonly #reading = new Map<string, Promise<OrderStanding>>();

  constructor(deps: StandingsDeps) {
    this.#deps = deps;
  }

  /**
   * Who asks for the same sale at the same time gets the same answer: several consoles look at a sale.
   * @throws Problem `sale_not_found`
   */
  async read(saleId: string): Promise<OrderStanding> {
    const reading = this.#reading.get(saleId) ?? this.#read(saleId);
    this.#reading.set(saleId, reading);
    return reading;
  }

  async #read(saleId: string): Promise<OrderStanding> {
    try {
      const record = await this.#deps.readSale(saleId);
      return { record, ...(await readStanding(this.#deps.pool, record)) };
    } finally {
      this.#reading.delete(saleId);
    }
  }
}
