import { PROBLEMS, type Pickup, type PickupPage } from '@seckill/contracts';
import { backoffMs, Problem, type Clock, type Logger } from '@seckill/runtime';
import { BYTE_ORDER_MARK, csvLine } from '../csv.ts';

export interface PickupSource {
  read: (cursor: string) => Promise<PickupPage>;
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  /** Aborts when nobody reads the file any more. */
  signal: AbortSignal;
}

/**
 * A page that fails is read again for this long. The last reading takes 2 s, and a connection without a byte
 * is cut after 30.
 */
const AGAIN_MS = 10_000;
const BACKOFF = { baseMs: 200, capMs: 2_000 };

/**
 * The whole list from this page on, page by page, so that a gateway holds one of them at a time. The
 * generator throws when a page cannot be read: the file breaks off then, and its reader must not take it for
 * whole.
 */
export async function* linesOfPickups(first: PickupPage, source: PickupSource): AsyncGenerator<string> {
  yield (
    BYTE_ORDER_MARK +
    csvLine([
      ...['code', 'items', 'name', 'phone', 'pickupPerson', 'note'],
      ...['channelId', 'pickedUpAt', 'orderId', 'userId'],
    ])
  );
  for (let page: PickupPage | undefined = first; page !== undefined;) {
    yield page.data.map(toLine).join('');
    page = page.nextCursor === undefined ? undefined : await readPage(page.nextCursor, source);
  }
}

async function readPage(cursor: string, { read, clock, logger, signal }: PickupSource): Promise<PickupPage> {
  const startedAt = clock.now();
  for (let failures = 0; ; failures += 1) {
    try {
      return await read(cursor);
    } catch (error) {
      const mayPass = error instanceof Problem && PROBLEMS[error.code].retryable;
      if (signal.aborted) throw error;
      if (!mayPass || clock.now() - startedAt > AGAIN_MS) {
        logger.warn({ err: error }, 'pickups: a file broke off');
        throw error;
      }
    }
    await clock.sleep(backoffMs(failures, BACKOFF), signal);
  }
}

function toLine({ code, lines, contact, channelId, pickedUpAt, orderId, userId }: Pickup): string {
  const items = lines.map(({ sku, quantity }) => `${quantity} × ${sku}`).join(', ');
  const person = [contact?.name, contact?.phone, contact?.pickupPerson, contact?.note];
  return csvLine([code, items, ...person, channelId, pickedUpAt, orderId, userId]);
}
