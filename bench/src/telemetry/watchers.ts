import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { Target } from '../target/target.ts';

/** As `monitoring/prometheus.yml` scrapes, and as the console reads (services/gateway/console/src/sale). */
const SCRAPE_MS = 5_000;
const OUTCOMES_MS = 2_000;
const LOOK_MS = 10_000;

/** What reads beside a sale: a Prometheus that scrapes every service, and the readings of one console. */
export interface Watchers {
  /** @returns how many readings were answered. @throws Error when one was refused. */
  stop(): Promise<number>;
}

export function startWatchers({ info, url, operatorToken }: Target, saleId: string): Watchers {
  const leaving = new AbortController();
  const { signal } = leaving;
  let answered = 0;
  const read = async (address: string): Promise<void> => {
    const headers = { authorization: `Bearer ${operatorToken}` };
    const { statusCode, body } = await request(address, { headers, signal });
    await body.dump();
    if (statusCode !== 200) throw new Error(`${address}: ${statusCode}`);
    answered += 1;
  };
  const every = async (pauseMs: number, addresses: string[]): Promise<void> => {
    while (!signal.aborted) {
      await Promise.all(addresses.map(read));
      await sleep(pauseMs, undefined, { signal });
    }
  };
  const sale = `${url}/v1/sales/${saleId}`;
  const hear = async (): Promise<void> => {
    const { body } = await request(`${sale}/events`, { signal });
    for await (const _part of body) answered += 1;
  };
  const looks = [`${sale}/audit`, `${sale}/explain`, `${sale}/orders?status=pending&limit=100`];
  const work = [
    every(SCRAPE_MS, Object.values(info?.metrics ?? {})),
    every(OUTCOMES_MS, [`${sale}/outcomes`]),
    every(LOOK_MS, looks),
    hear(),
  ].map((one) =>
    one.catch((error: unknown) => {
      if (!signal.aborted) throw error;
    }),
  );
  const whole = Promise.all(work);
  // This promise is awaited when the watching ends; until then nothing else hears of a failure.
  whole.catch(() => undefined);
  return {
    async stop() {
      leaving.abort();
      await whole;
      return answered;
    },
  };
}

export interface Collector {
  url: string;
  /** Bytes of spans that came so far. */
  readonly bytes: number;
  close(): Promise<void>;
}

/** Takes spans and forgets them: what a collector does with them is not ours to measure. */
export async function startCollector(): Promise<Collector> {
  let bytes = 0;
  const server: Server = createServer((incoming, answer) => {
    incoming.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    incoming.on('end', () => {
      answer.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get bytes() {
      return bytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
