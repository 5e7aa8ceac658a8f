/**
 * A client that knows nothing but the table "What a client does" of docs/http-api.md: it reads the table,
 * asks, and does what the row of the answer says until it ends. What the table cannot tell it, it cannot do.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROBLEMS, type ProblemCode } from '@seckill/contracts';

type Kind = 'repeat' | 'offer' | 'stop' | 'show' | 'reread' | 'token';
type Body = Record<string, unknown>;

export interface Row {
  /** The first cell, as it stands. */
  answer: string;
  codes: string[];
  /** The members that the row names, such as `final`. */
  says: Record<string, boolean>;
  kind: Kind;
  /** How long after it was sent a call without answer may still act. */
  quietMs: number;
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH';
  path: string;
  token: string;
  body?: Body;
  /** For what has a key. */
  key?: string;
  headers?: Record<string, string>;
}

export interface End {
  /** `done`, or why it did not go on. */
  end: 'done' | 'stop' | 'show';
  /** What was heard, one after the other: a code, a status, or `no answer`. */
  heard: string[];
  status: number;
  body: Body;
  /** The key under which it ended. */
  key: string | undefined;
}

const NO_ANSWER = 'no answer at all';

/** @throws Error when the table says what no client understands. */
export function readTable(): Row[] {
  const text = readFileSync('docs/http-api.md', 'utf8');
  const [, section = ''] = text.split('\n## What a client does\n');
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((line) => {
    const [answer = '', does = ''] = line.slice(2, -2).split(' | ');
    const quoted = [...answer.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    const says = quoted.map((name) => name.split(': ')).filter(([, value]) => value !== undefined);
    return {
      answer,
      codes: quoted.filter((name) => name in PROBLEMS),
      says: Object.fromEntries(says.map(([name = '', value]) => [name, value === 'true'])),
      kind: kindOf(does),
      quietMs: Number(/until (\d+) s after it was sent/.exec(does)?.[1] ?? 0) * 1_000,
    };
  });
}

function kindOf(does: string): Kind {
  if (/^stop|do not repeat/.test(does)) return 'stop';
  if (/another token/.test(does)) return 'token';
  if (/repeat|again with the same key/.test(does)) return 'repeat';
  if (/under a new key/.test(does)) return 'offer';
  if (does.startsWith('show')) return 'show';
  if (does.startsWith('read the sale')) return 'reread';
  throw new Error(`the table says what no client understands: ${does}`);
}

/** @returns the rows that tell what to do, of which the client takes the one that names the call. */
export function rowsFor(table: Row[], call: Pick<Call, 'method' | 'path'>, code: string, body: Body): Row[] {
  const named = table.filter(
    ({ codes, says }) =>
      codes.includes(code) &&
      Object.entries(says).every(([name, value]) => body[name] === undefined || body[name] === value),
  );
  const isCreation = call.method === 'POST' && call.path === '/v1/sales';
  const on = (row: Row): boolean => / on /.test(row.answer);
  const special = named.filter((row) => on(row) && row.answer.includes('POST /v1/sales') === isCreation);
  const isChange = isCreation || !call.path.endsWith('/reservations');
  const rows = isChange && special.length > 0 ? special : named.filter((row) => !on(row));
  if (rows.length > 0) return rows;
  const status = PROBLEMS[code as ProblemCode].status;
  return status >= 400 && status < 500 ? table.filter(({ answer }) => answer === 'other 4xx') : [];
}

interface Heard {
  status: number;
  headers: Headers;
  body: Body;
}

function codeOf({ status, body }: Heard): string {
  return typeof body['code'] === 'string' ? body['code'] : String(status);
}

export class TableClient {
  readonly #base: string;
  readonly #table = readTable();
  /** Another token, for whoever is told to get one. */
  readonly #renew: () => Promise<string>;

  constructor(base: string, renew: () => Promise<string>) {
    this.#base = base;
    this.#renew = renew;
  }

  /** Asks, and does what the table says until it ends. @throws Error when it has not within `withinMs`. */
  async follow(
    first: Call,
    { withinMs = 60_000, onAnswer }: { withinMs?: number; onAnswer?: (code: string) => void } = {},
  ): Promise<End> {
    let call = first;
    const heard: string[] = [];
    const until = performance.now() + withinMs;
    while (performance.now() < until) {
      const sentAt = performance.now();
      const answer = await this.#send(call);
      const code = answer === undefined ? NO_ANSWER : codeOf(answer);
      heard.push(code);
      onAnswer?.(code);
      const over = { heard, status: answer?.status ?? 0, body: answer?.body ?? {}, key: call.key };
      if (answer !== undefined && answer.status < 300) {
        const isPending = (answer.headers.get('order-status') ?? 'pending') === 'pending';
        return { ...over, end: isPending ? 'done' : 'show' };
      }
      const row = this.rowOf(call, code, answer?.body);
      if (row.kind === 'stop' || row.kind === 'show') return { ...over, end: row.kind };
      if (row.kind === 'offer') call = offer(call, answer?.body ?? {});
      if (row.kind === 'token') call = { ...call, token: await this.#renew() };
      if (row.kind === 'reread') call = await this.#reread(call);
      if (row.kind !== 'repeat') continue;
      const retryMs =
        Number(answer?.headers.get('retry-after') ?? (answer?.body['code'] === undefined ? 0 : 2)) * 1_000;
      await sleep(Math.max(retryMs * (1 + Math.random() / 5), row.quietMs - (performance.now() - sentAt)));
    }
    throw new Error(`${first.method} ${first.path} has not ended: ${heard.join(', ')}`);
  }

  /** @throws Error unless one row tells what to do. */
  rowOf(call: Call, code: string, body: Body = {}): Row {
    const rows =
      code in PROBLEMS
        ? rowsFor(this.#table, call, code, body)
        : this.#table.filter(({ answer }) => answer.startsWith(code));
    const [row] = rows;
    if (row === undefined || rows.length > 1) {
      throw new Error(`${rows.length} rows tell what to do on ${code} of ${call.method} ${call.path}`);
    }
    return row;
  }

  async #reread(call: Call): Promise<Call> {
    const sale = /^\/v1\/sales\/[^/]+/.exec(call.path)?.[0] ?? '';
    const answer = await this.#send({ method: 'GET', path: sale, token: call.token });
    return { ...call, headers: { 'if-match': `"${String(answer?.body['version'])}"` } };
  }

  /** @returns undefined when there is no answer within the time that the table gives. */
  async #send(call: Call): Promise<Heard | undefined> {
    const isBuyers = /\/reservations$|^\/v1\/orders\/[^/]+\/(pay|cancel)$/.test(call.path);
    try {
      const answer = await fetch(`${this.#base}${call.path}`, {
        method: call.method,
        headers: {
          authorization: `Bearer ${call.token}`,
          ...(call.key === undefined ? {} : { 'idempotency-key': call.key }),
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
        },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        signal: AbortSignal.timeout(isBuyers ? 3_000 : 10_000),
      });
      const text = await answer.text();
      const body = (text === '' ? {} : JSON.parse(text)) as Body;
      return { status: answer.status, headers: answer.headers, body };
    } catch {
      return undefined;
    }
  }
}

/** What can be had, as the answer tells it, under a new key. */
function offer(call: Call, answer: Body): Call {
  const failed = new Map(
    (answer['lines'] as { sku: string; available?: number }[]).map((line) => [line.sku, line.available]),
  );
  const lines = (call.body?.['lines'] as { sku: string; quantity: number }[]).flatMap((line) => {
    if (!failed.has(line.sku)) return [line];
    const quantity = Number(answer['minimum'] ?? failed.get(line.sku) ?? 0);
    return quantity > 0 ? [{ ...line, quantity }] : [];
  });
  return { ...call, key: randomUUID(), body: { ...call.body, lines } };
}
