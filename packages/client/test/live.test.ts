// Goal: listeners of a gateway that dies come back over the time that the gateway asked for, and not over one
// of their own. Method: sources of events that tell a spread and end; the looks that follow are timed.
import t from 'tap';
import { createClient, type LiveSource } from '../src/index.ts';

const SPREAD_MS = 5_000;
/** What a client takes that was told nothing: a second, and up to two more. */
const UNTOLD_MS_MAX = 3_000;
/** Later than any of those, also on a busy machine. */
const LATE_MS = 4_000;
const WATCHERS = 40;
const SALE = { id: 's', state: 'open', version: 1, items: [] };

/** Tells a sale and how slowly to come back, and dies with its gateway. */
class DyingSource implements LiveSource {
  static heartbeat = '';
  #isClosed = false;

  addEventListener(type: string, listener: (event: { data: string }) => void): void {
    const data = { sale: JSON.stringify(SALE), heartbeat: DyingSource.heartbeat, error: '' }[type];
    const afterMs = type === 'error' ? 50 : 0;
    if (data === undefined) return;
    setTimeout(() => {
      if (!this.#isClosed) listener({ data });
    }, afterMs);
  }

  close(): void {
    this.#isClosed = true;
  }
}

/** @returns how many ms after the end of the connection each of them looked at the sale. */
async function lookAgain(heartbeat: string): Promise<number[]> {
  DyingSource.heartbeat = heartbeat;
  const stopping = new AbortController();
  const startedAt = performance.now();
  const waits = await Promise.all(
    Array.from({ length: WATCHERS }, async () => {
      let lookedAt = Number.NaN;
      const client = createClient({
        baseUrl: '',
        eventSource: DyingSource,
        transport: async () => {
          lookedAt = performance.now();
          return { status: 200, header: () => undefined, text: JSON.stringify({ ...SALE, state: 'closed' }) };
        },
      });
      for await (const _ of client.watchSale('s', { signal: stopping.signal }));
      return lookedAt - startedAt - 50;
    }),
  );
  return waits;
}

await t.test('the crowd of a gateway that died is spread as the gateway asked', async (t) => {
  const [told, untold] = await Promise.all([
    lookAgain(`{"spreadMs":${SPREAD_MS}}`),
    // A gateway of before says nothing. These sources are made once the others have theirs.
    new Promise<number[]>((resolve) => {
      setTimeout(() => {
        resolve(lookAgain('{}'));
      }, 200);
    }),
  ]);
  t.ok(Math.min(...told) >= 950, `${Math.min(...told)} ms`);
  // That none of 40 comes in the last two of five seconds happens once in 10^9 times.
  t.ok(Math.max(...told) > LATE_MS, `${Math.max(...told)} ms`);
  // A busy machine is late at times, and never by this.
  t.ok(Math.max(...told) < 1_000 + SPREAD_MS + 5_000);
  t.ok(Math.min(...untold) >= 950);
  t.ok(untold.filter((ms) => ms < UNTOLD_MS_MAX + 200).length > WATCHERS / 2, 'and else within 3 s');
});
