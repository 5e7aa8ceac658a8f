/** The live sale over `EventSource`, where the platform has one. */
import type { Sale } from './results.ts';
import type { CancelSignal } from './transport.ts';

/** What is needed of an EventSource. */
export interface LiveSource {
  addEventListener(type: string, listener: (event: { data: string }) => void): void;
  close(): void;
}
export type LiveSourceClass = new (url: string) => LiveSource;

/**
 * A connection may die without a word. The gateway says something every 15 s; who hears nothing for this time
 * has no connection any more.
 */
const SILENCE_MS = 40_000;

/**
 * Yields each state that comes. Ends when the connection does, or has been silent for too long. The caller
 * decides when to try again, because browsers disagree about that.
 * @param onSpread hears over how many ms the gateway wants its listeners to come back
 */
export async function* listen(
  Source: LiveSourceClass,
  url: string,
  signal: CancelSignal | undefined,
  onSpread: (ms: number) => void,
): AsyncGenerator<Sale, void> {
  const source = new Source(url);
  let sale: Sale | undefined;
  const state = { isNew: false, hasEnded: false };
  let wake = (): void => undefined;
  const hear = (type: string, take: (data: string) => void): void => {
    source.addEventListener(type, ({ data }) => {
      try {
        take(data);
      } catch {
        state.hasEnded = true;
      }
      wake();
    });
  };
  hear('sale', (data) => {
    sale = JSON.parse(data) as Sale;
    state.isNew = true;
  });
  hear('counts', (data) => {
    if (sale === undefined) return;
    const { items, ...rest } = JSON.parse(data) as Pick<Sale, 'state' | 'version' | 'serverTime' | 'items'>;
    const counts = new Map(items.map((item) => [item.sku, item]));
    sale = { ...sale, ...rest, items: sale.items.map((item) => ({ ...item, ...counts.get(item.sku) })) };
    state.isNew = true;
  });
  // Whatever comes wakes the wait below. A gateway of before says nothing in its heartbeat.
  hear('heartbeat', (data) => {
    const { spreadMs } = JSON.parse(data) as { spreadMs?: number };
    if (spreadMs !== undefined) onSpread(spreadMs);
  });
  hear('error', () => {
    state.hasEnded = true;
  });
  const stop = (): void => {
    state.hasEnded = true;
    wake();
  };
  signal?.addEventListener('abort', stop);
  try {
    while (signal?.aborted !== true) {
      if (state.isNew && sale !== undefined) {
        state.isNew = false;
        yield sale;
      } else if (state.hasEnded) return;
      else {
        // Nothing can come between the look above and this wait: events come in turns of their own.
        await new Promise<void>((resolve) => {
          const timer = setTimeout(stop, SILENCE_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    source.close();
  }
}
