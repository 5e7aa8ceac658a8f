import type { SaleReport } from '@seckill/contracts';
import type { Pool } from '@seckill/runtime';
import { readReport } from './report-reading.ts';
import { makeReport } from './sale-report.ts';

/** What was sold, for operators. The pool may lead to a replica, and bounds how many are read at a time. */
export class Reports {
  readonly #pool: Pool;
  readonly #reading = new Map<string, Promise<SaleReport>>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Who asks for the same sale at the same time gets the same report: a reading of a million orders keeps two
   * cores busy for most of a second.
   * @throws Problem `sale_not_found`
   */
  async read(saleId: string): Promise<SaleReport> {
    const reading = this.#reading.get(saleId) ?? this.#read(saleId);
    this.#reading.set(saleId, reading);
    return reading;
  }

  async #read(saleId: string): Promise<SaleReport> {
    try {
      return makeReport(saleId, await readReport(this.#pool, saleId));
    } finally {
      this.#reading.delete(saleId);
    }
  }
}
