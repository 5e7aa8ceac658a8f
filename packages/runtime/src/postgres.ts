import pg from 'pg';
import type { Logger } from './logger.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

export interface PoolOptions {
  max: number;
  /** Bounds one statement and the wait for a lock; milliseconds. */
  statementTimeoutMs?: number;
  /**
   * How long a transaction may wait for something that is not Postgres: 3 s, because hardly any transaction
   * should wait. A process that is frozen in a transaction keeps the rows of a sale from all others for this
   * long (D89).
   */
  idleInTransactionMs?: number;
  /** How long a caller waits for a connection, a new one or one that is in use: 1 s. */
  waitMs?: number;
}

/**
 * How long a new connection may take. After a power cut, when all processes of a cluster connect at once and
 * PostgreSQL has just recovered, it takes longer than a caller waits.
 */
const CONNECT_MS = 3_000;

/**
 * A caller whose time is over leaves, and the connection that was being made goes on, for whoever comes
 * next. pg ends it: what PostgreSQL had done for it was done in vain, and each new attempt met the same end.
 */
class PatientPool extends pg.Pool {
  readonly #waitMs: number;

  constructor(config: pg.PoolConfig, waitMs: number) {
    super(config);
    this.#waitMs = waitMs;
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<PoolClient> | undefined {
    // Callers of one turn all see the same idle connection, which the first of them gets.
    if (this.idleCount <= this.waitingCount) return this.#wait(callback);
    if (callback === undefined) return super.connect();
    super.connect(callback);
    return undefined;
  }

  #wait(callback?: Connected): Promise<PoolClient> | undefined {
    const connecting = super.connect();
    const waiting = new Promise<PoolClient>((resolve, reject) => {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        reject(new Error('timeout exceeded when trying to connect'));
      }, this.#waitMs);
      connecting.then(
        (client) => {
          clearTimeout(timer);
          if (isLate) client.release();
          else resolve(client);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
    if (callback === undefined) return waiting;
    waiting.then(
      (client) => {
        callback(undefined, client, client.release.bind(client));
      },
      (error: unknown) => {
        callback(error as Error, undefined, () => undefined);
      },
    );
    return undefined;
  }
}

type Connected = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: boolean | Error) => void,
) => void;

/** Every wait is bounded; pg's own defaults wait for ever. */
export function createPool(url: string, logger: Logger, options: PoolOptions): Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 5_000;
  const waitMs = options.waitMs ?? 1_000;
  const pool = new PatientPool(
    {
      connectionString: url,
      max: options.max,
      connectionTimeoutMillis: Math.max(CONNECT_MS, waitMs),
      statement_timeout: statementTimeoutMs,
      lock_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + 1_000,
      idle_in_transaction_session_timeout: options.idleInTransactionMs ?? 3_000,
      keepAlive: true,
    },
    waitMs,
  );
  const warn = (error: Error) => {
    logger.warn({ err: error }, 'postgres connection');
  };
  // Without a listener the death of a connection is an uncaught exception. The pool tells of the death of an
  // idle connection. The client itself tells of the death of one that is checked out, besides the error that
  // its query gets.
  pool.on('error', warn);
  pool.on('connect', (client) => client.on('error', warn));
  return pool;
}

/** One transaction on one connection. A connection whose rollback fails is thrown away, not pooled again. */
export async function transaction<Result>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/**
 * What an error of Postgres means for the caller (docs/recovery.md). `transient` (class 08, 40, 53, 57, or no
 * connection) waits and repeats. `data` (22, 23) will fail again with the same input. Anything else is
 * `other`.
 */
export function classifyPostgresError(error: unknown): 'transient' | 'data' | 'other' {
  if (!(error instanceof Error)) return 'other';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // 25006 means read-only for a moment, after a failover or on a full disk. Class 58 is the server's own
  // disk. We have to wait both out.
  if (/^(08|40|53|57|58|25006)/.test(code)) return 'transient';
  if (/^(22|23)/.test(code)) return 'data';
  // 55P03: lock_timeout; 25P03: idle in transaction; socket errors carry errno names.
  if (/^(55P03|25P03|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/.test(code)) return 'transient';
  // pg's own errors for a lost or unobtainable connection carry no code.
  return /Connection terminated|timeout exceeded|timeout expired|Query read timeout|not queryable|connection timeout/i.test(
    error.message,
  )
    ? 'transient'
    : 'other';
}
