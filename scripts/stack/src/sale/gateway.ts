import { setTimeout as sleep } from 'node:timers/promises';
import type { ProblemDocument, Sale, SalePage } from '@seckill/contracts';
import { CommandError } from '@seckill/runtime';

/** The gateway answers a change within 7 s. */
const CALL_MS = 15_000;
/** A change whose end is not known is repeated under the same version and key: nothing changes twice. */
const ATTEMPTS = 4;
const PAUSE_MS = 1_000;

/** A call was refused. */
export class RefusedError extends CommandError {
  override readonly name = 'RefusedError';
  readonly problem: ProblemDocument;
  constructor(problem: ProblemDocument) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
  }
}

interface Call {
  method?: 'GET' | 'POST' | 'PATCH';
  path: string;
  body?: object;
  /** `If-Match` */
  version?: number;
  key?: string;
}

/** The operators' calls of a gateway, as the command needs them. */
export class Gateway {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Undefined: there is no such sale. */
  async read(saleId: string): Promise<Sale | undefined> {
    try {
      return (await this.call({ path: `/v1/sales/${encodeURIComponent(saleId)}` })) as Sale;
    } catch (error) {
      if (error instanceof RefusedError && error.problem.code === 'sale_not_found') return undefined;
      throw error;
    }
  }

  async list(query: Record<string, string>): Promise<SalePage> {
    return (await this.call({ path: `/v1/sales?${new URLSearchParams(query).toString()}` })) as SalePage;
  }

  /** @throws RefusedError; CommandError when the gateway does not answer, or is busy for too long. */
  async call(call: Call): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      const isLast = attempt === ATTEMPTS;
      try {
        const answer = await this.#send(call);
        if (answer.status < 300) return answer.body;
        const problem = answer.body as ProblemDocument;
        if (isLast || answer.status !== 503) throw new RefusedError(problem);
      } catch (error) {
        if (error instanceof RefusedError || isLast) throw error;
      }
      await sleep(PAUSE_MS);
    }
  }

  async #send({ method = 'GET', path, body, version, key }: Call) {
    try {
      const response = await fetch(new URL(path, this.#url), {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(CALL_MS),
      });
      return { status: response.status, body: await readBody(response) };
    } catch (error) {
      if (error instanceof CommandError) throw error;
      throw new CommandError(`the gateway at ${this.#url} does not answer`, 1, error);
    }
  }
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(`what answers at ${response.url} is no gateway: status ${response.status}`);
  }
}
