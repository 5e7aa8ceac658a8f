import { signToken } from '@seckill/stack';
import { Pool } from 'undici';
import { pick } from '../../bench/src/random.ts';
import type { Answer } from '../support/stack.ts';

export interface Asked {
  method?: 'GET' | 'POST' | 'PATCH';
  path: string;
  user: string;
  isOperator?: boolean;
  key?: string;
  body?: unknown;
  /** The gateway; any by default. */
  by?: string;
}

/** A client gives a reservation 3 s and an operator's call 10 s (docs/http-api.md, "What a client does"). */
const BUYER_MS = 3_000;
const OPERATOR_MS = 10_000;

/** How buyers and operators ask: each time whichever gateway, as a load balancer would choose. */
export class Front {
  readonly #pools: Map<string, Pool>;
  readonly #secret: string;
  readonly #random: () => number;

  constructor(urls: Map<string, string>, secret: string, random: () => number) {
    const options = { connections: 64, pipelining: 1 };
    this.#pools = new Map([...urls].map(([name, url]) => [name, new Pool(url, options)]));
    this.#secret = secret;
    this.#random = random;
  }

  get gateways(): string[] {
    return [...this.#pools.keys()];
  }

  poolOf(name = pick(this.#random, this.gateways)): Pool {
    const pool = this.#pools.get(name);
    if (pool === undefined) throw new Error(`no gateway ${name}`);
    return pool;
  }

  /** @throws the network's error, or a TimeoutError, when there is no answer. */
  async send({ method = 'GET', path, user, isOperator = false, key, body, by }: Asked): Promise<Answer> {
    const token = await signToken(this.#secret, { userId: user, isOperator });
    const response = await this.poolOf(by).request({
      method,
      path,
      headers: {
        authorization: `Bearer ${token}`,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(isOperator ? OPERATOR_MS : BUYER_MS),
    });
    const text = await response.body.text();
    const { statusCode: status, headers } = response;
    const isJson = String(headers['content-type'] ?? '').includes('json');
    return { status, headers, text, body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }
}
