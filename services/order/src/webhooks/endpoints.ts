import { randomBytes } from 'node:crypto';
import {
  formatInstant,
  WEBHOOK_LIMITS,
  type WebhookEndpoint,
  type WebhookEndpointInput,
  type WebhookEndpointPage,
  type WebhookEndpointPatch,
  type WebhookEvent,
} from '@seckill/contracts';
import { invariant, Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { formatPageCursor, instantOf, microsecondsOf, parsePageCursor } from '../pages/page-cursor.ts';
import { toPage } from '../pages/page.ts';
import { assertInTime, inTime } from '../deadline.ts';
import { parseEndpointUrl } from './addresses.ts';
import { formatSecret } from './signing.ts';

/** Standard Webhooks asks for 24 to 64 bytes. */
const SECRET_BYTES = 32;
/** How long the old secret signs along after a rotation. */
const OLD_SECRET_HOURS = 24;
const REMOVE_COUNT = 10_000;
/** Orders all calls that count endpoints. */
const COUNT_LOCK = 7_305_441;

/** When the change that an operator asked for is not made any more. */
interface Deadline {
  deadline?: number | undefined;
}

interface EndpointRow {
  id: string;
  /** When it was made, for the cursor, which orders by time. */
  number: string;
  url: string;
  events: WebhookEvent[];
  state: WebhookEndpoint['state'];
  created_at: Date;
  created_us: string;
}

const COLUMNS = `id, url, events, state, created_at, ${microsecondsOf('created_at')} AS created_us`;

/** Where shops want to be told. */
export class WebhookEndpoints {
  readonly #pool: Pool;
  readonly #isPrivateAllowed: boolean;

  /** @param isPrivateAllowed `WEBHOOK_ALLOW_PRIVATE` */
  constructor(pool: Pool, isPrivateAllowed: boolean) {
    this.#pool = pool;
    this.#isPrivateAllowed = isPrivateAllowed;
  }

  /**
   * @returns the endpoint with its secret, which no other call answers again.
   * @throws Problem `invalid_request` for an address that is not called; `webhook_endpoints_full`;
   * `overloaded` when the deadline has passed.
   */
  async create({ url, events }: WebhookEndpointInput, { deadline }: Deadline): Promise<WebhookEndpoint> {
    const { endpointsMax } = WEBHOOK_LIMITS;
    const { href } = parseEndpointUrl(url, this.#isPrivateAllowed);
    const secret = randomBytes(SECRET_BYTES);
    return transaction(this.#pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [COUNT_LOCK]);
      const { rows } = await client.query<EndpointRow>(
        `INSERT INTO webhook_endpoints (id, url, events, secret)
         SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM webhook_endpoints) < $5 AND ${inTime('$6')}
         RETURNING ${COLUMNS}`,
        [`whe_${randomBytes(12).toString('hex')}`, href, events, secret, endpointsMax, deadline ?? null],
      );
      const [row] = rows;
      if (row === undefined) {
        await assertInTime(client, { deadline });
        throw new Problem('webhook_endpoints_full', { extra: { max: endpointsMax } });
      }
      return { ...toEndpoint(row), secret: formatSecret(secret) };
    });
  }

  /** @throws Problem `webhook_endpoint_not_found` */
  async read(id: string): Promise<WebhookEndpoint> {
    const { rows } = await this.#pool.query<EndpointRow>(
      `SELECT ${COLUMNS} FROM webhook_endpoints WHERE id = $1`,
      [id],
    );
    return toEndpoint(found(rows));
  }

  /**
   * Lists the oldest first.
   * @throws Problem `invalid_request` when the cursor is not one of ours.
   */
  async list({
    limit,
    cursor,
  }: {
    limit: number;
    cursor?: string | undefined;
  }): Promise<WebhookEndpointPage> {
    const after = cursor === undefined ? undefined : parsePageCursor(cursor);
    // The ids are no numbers, so the cursor counts the endpoints of one microsecond.
    const { rows } = await this.#pool.query<EndpointRow>(
      `SELECT * FROM (SELECT ${COLUMNS}, created_at AS at,
           row_number() OVER (PARTITION BY created_at ORDER BY id) AS number FROM webhook_endpoints) AS endpoints
       WHERE $1::bigint IS NULL OR (at, number) > (${instantOf('$1')}, $2::bigint)
       ORDER BY at, number LIMIT $3`,
      [after?.at ?? null, after?.id ?? null, limit + 1],
    );
    const page = toPage(rows, limit, ({ created_us: at, number: id }) => formatPageCursor({ at, id }));
    return { ...page, data: page.data.map(toEndpoint) };
  }

  /**
   * Changes what is named. What waits for a paused endpoint is sent once it is enabled again.
   * @throws Problem `webhook_endpoint_not_found`; `invalid_request` for an address that is not called;
   * `overloaded` when the deadline has passed.
   */
  async change(
    id: string,
    { url, events, state }: WebhookEndpointPatch,
    deadline: Deadline,
  ): Promise<WebhookEndpoint> {
    const href = url === undefined ? null : parseEndpointUrl(url, this.#isPrivateAllowed).href;
    return transaction(this.#pool, async (client) => {
      await lockInTime(client, id, deadline);
      const { rows } = await client.query<EndpointRow>(
        `UPDATE webhook_endpoints
         SET url = COALESCE($2, url), events = COALESCE($3, events), state = COALESCE($4, state)
         WHERE id = $1 RETURNING ${COLUMNS}`,
        [id, href, events ?? null, state ?? null],
      );
      return toEndpoint(found(rows));
    });
  }

  /**
   * Removes the endpoint and what waits for it. An attempt that is under way goes on.
   * @throws Problem `webhook_endpoint_not_found`; `overloaded` when the deadline has passed.
   */
  async remove(id: string, deadline: Deadline): Promise<void> {
    await transaction(this.#pool, async (client) => {
      await lockInTime(client, id, deadline);
      await client.query('DELETE FROM webhook_endpoints WHERE id = $1', [id]);
    });
    // Deliveries are removed in parts, because a statement may take 5 s. Those that a crash leaves are given
    // up after three days.
    for (let removed = REMOVE_COUNT; removed === REMOVE_COUNT;) {
      const rows = await this.#pool.query(
        `DELETE FROM webhook_deliveries WHERE id IN (
           SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 LIMIT ${REMOVE_COUNT}
           FOR UPDATE SKIP LOCKED)`,
        [id],
      );
      removed = rows.rowCount ?? 0;
    }
  }

  /**
   * Gives the endpoint a new secret. The old one signs along for a day.
   * @returns the endpoint with its new secret.
   * @throws Problem `webhook_endpoint_not_found`; `overloaded` when the deadline has passed.
   */
  async rotate(id: string, deadline: Deadline): Promise<WebhookEndpoint> {
    const secret = randomBytes(SECRET_BYTES);
    return transaction(this.#pool, async (client) => {
      await lockInTime(client, id, deadline);
      const row = found(await replaceSecret(client, id, secret));
      return { ...toEndpoint(row), secret: formatSecret(secret) };
    });
  }
}

/**
 * Takes the endpoint's lock, then judges the deadline: to wait for the lock may have taken all of the time,
 * and what was decided meanwhile must not be undone.
 * @throws Problem `webhook_endpoint_not_found`, `overloaded`
 */
async function lockInTime(client: PoolClient, id: string, deadline: Deadline): Promise<void> {
  const { rows } = await client.query<EndpointRow>(
    `SELECT ${COLUMNS} FROM webhook_endpoints WHERE id = $1 FOR UPDATE`,
    [id],
  );
  found(rows);
  await assertInTime(client, deadline);
}

async function replaceSecret(client: PoolClient, id: string, secret: Buffer): Promise<EndpointRow[]> {
  const { rows } = await client.query<EndpointRow>(
    `UPDATE webhook_endpoints SET old_secret = secret, secret = $2,
       old_secret_until = clock_timestamp() + make_interval(hours => $3)
     WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, secret, OLD_SECRET_HOURS],
  );
  invariant(rows.length <= 1, `several endpoints have the id ${id}`);
  return rows;
}

function found(rows: EndpointRow[]): EndpointRow {
  if (rows[0] === undefined) throw new Problem('webhook_endpoint_not_found');
  return rows[0];
}

function toEndpoint({ id, url, events, state, created_at }: EndpointRow): WebhookEndpoint {
  return { id, url, events, state, createdAt: formatInstant(created_at) };
}
