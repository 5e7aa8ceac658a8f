import type { Transport } from '@seckill/client';
import type { Pool } from 'undici';

/** From the sending of a request to the head of its answer. */
const HEADERS_TIMEOUT_MS = 10_000;

/** How `@seckill/client` reaches the gateway over these connections. URLs are paths: `baseUrl` is empty. */
export function transportOver(http: Pool): Transport {
  return async ({ method, url, headers, body, signal }) => {
    const answer = await http.request({
      method,
      path: url,
      headers,
      body: body ?? null,
      headersTimeout: HEADERS_TIMEOUT_MS,
      signal: (signal as AbortSignal | undefined) ?? null,
    });
    return {
      status: answer.statusCode,
      header: (name) => answer.headers[name]?.toString(),
      text: await answer.body.text(),
    };
  };
}

/** Requests that are under way, and others that wait in the order in which they came. */
class Turnstile {
  readonly #transport: Transport;
  readonly #mayPass: () => boolean;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(transport: Transport, places: number, mayPass: () => boolean = () => true) {
    this.#transport = transport;
    this.#free = places;
    this.#mayPass = mayPass;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async pass(request: Parameters<Transport>[0]): ReturnType<Transport> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.turn();
    });
    try {
      return await this.#transport(request);
    } finally {
      this.#free += 1;
      this.turn();
    }
  }

  /** Lets in as many as there are places for. */
  turn(): void {
    while (this.#free > 0 && this.#waiting.length > 0 && this.#mayPass()) {
      this.#free -= 1;
      this.#waiting.shift()?.();
    }
  }
}

/**
 * The way of a crowd into the shop. So many clicks are under way at a time, and half as many checkouts. While
 * as many checkouts wait as are under way, no click is let in: a hold must not end because its buyer stands
 * behind thousands of clicks, or because more is reserved than can be paid in time.
 */
export class WayIn {
  readonly #clicks: Turnstile;
  readonly #checkouts: Turnstile;

  /** @param mayCheckOut false while no checkout can end, whatever waits: clicks do not wait for them then. */
  constructor(transport: Transport, places: number, mayCheckOut: () => boolean = () => true) {
    const checkoutsMax = places / 2;
    this.#checkouts = new Turnstile(transport, checkoutsMax);
    this.#clicks = new Turnstile(
      transport,
      places,
      () => !mayCheckOut() || this.#checkouts.waiting < checkoutsMax,
    );
  }

  /** For buyers who hold nothing yet. */
  readonly click: Transport = (request) => this.#clicks.pass(request);

  /** For buyers who hold units, and for the provider who has their money. */
  readonly checkout: Transport = async (request) => {
    try {
      return await this.#checkouts.pass(request);
    } finally {
      this.#clicks.turn();
    }
  };
}
