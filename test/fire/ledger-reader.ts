import pg from 'pg';

export interface StoredOrder {
  id: string;
  sale_id: string;
  lane: number;
  epoch: number;
  sequence: number;
  user_id: string;
  idempotency_key: string;
  channel_id: string | null;
  status: string;
  refusal: string | null;
  amount: number;
  reserved_at: Date;
  /** When the transaction that stored it began. */
  stored_at: Date;
  /** A moment within the transaction that refused it; null: it is not refused. */
  refused_at: Date | null;
  /** When it was cancelled, expired or refused; null: it is pending or paid. */
  ended_at: Date | null;
  lines: { sku: string; quantity: number }[];
  /** Returns that were stored, and what is due for them. */
  returns: number;
  due: number;
  /** The returns of which the units are for sale again. */
  taken_back: { at: Date; lines: { sku: string; quantity: number }[] }[];
}

export interface StoredPayment {
  payment_id: string;
  order_id: string;
  amount: number;
  result: string;
}

/** Units that Redis took again for late money, by the sequence that it took for that. */
export interface StoredRetake {
  order_id: string;
  sale_id: string;
  lane: number;
  epoch: number;
  sequence: number;
  verdict: string;
  stored_at: Date;
}

/** What the judgement reads of PostgreSQL beyond the audit: money, refusals, and whose each order is. */
export class LedgerReader {
  readonly #pool: pg.Pool;

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 2 });
    // Backends are ended on purpose.
    this.#pool.on('error', () => undefined);
  }

  async orders(saleIds: string[]): Promise<StoredOrder[]> {
    const { rows } = await this.#pool.query<Omit<StoredOrder, 'taken_back'>>(
      `SELECT id, sale_id, lane, epoch::float8 AS epoch, sequence::float8 AS sequence, user_id, idempotency_key,
              channel_id, status, refusal, amount::float8 AS amount, reserved_at, stored_at, ended_at, lines,
              (SELECT min(created_at) FROM webhook_deliveries
                WHERE subject = orders.id AND type = 'order.refused') AS refused_at,
              (SELECT count(*)::int FROM returns WHERE order_id = orders.id) AS returns,
              (SELECT coalesce(sum(amount), 0)::float8 FROM returns WHERE order_id = orders.id) AS due
         FROM orders WHERE sale_id = ANY ($1)`,
      [saleIds],
    );
    const back = await this.#pool.query<{ order_id: string; at: Date; lines: StoredOrder['lines'] }>(
      `SELECT order_id, at, returns.lines FROM returns JOIN orders ON orders.id = order_id
        WHERE restocked AND sale_id = ANY ($1)`,
      [saleIds],
    );
    return rows.map((row) => ({
      ...row,
      taken_back: back.rows.filter(({ order_id }) => order_id === row.id),
    }));
  }

  async retakes(saleIds: string[]): Promise<StoredRetake[]> {
    const { rows } = await this.#pool.query<StoredRetake>(
      `SELECT order_id, sale_id, lane, epoch::float8 AS epoch, sequence::float8 AS sequence, verdict, stored_at
         FROM retakes WHERE sale_id = ANY ($1)`,
      [saleIds],
    );
    return rows;
  }

  async payments(saleIds: string[]): Promise<StoredPayment[]> {
    const { rows } = await this.#pool.query<StoredPayment>(
      `SELECT payment_id, order_id, amount::float8 AS amount, result
         FROM payments WHERE split_part(order_id, '.', 1) = ANY ($1)`,
      [saleIds],
    );
    return rows;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
