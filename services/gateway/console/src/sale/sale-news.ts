import type { Item, Sale } from '../page/answers.ts';
import { say } from '../page/words.ts';

/** The wait after a stream that was refused, because the gateway drains or has too many listeners. */
const LISTEN_AGAIN_MS = 5_000;

interface Listener {
  /** The whole sale, as everybody sees it. The sale comes first, and again when an operator changed it. */
  onSale: (sale: Sale) => void;
  /** Counts alone. */
  onCounts: (counts: Pick<Sale, 'state' | 'serverTime'> & { items: Item[] }) => void;
  /** The stream was refused for a while, so news may be missing. */
  onAgain: () => void;
}

/** Hears what becomes of a sale, for as long as it is open, and tells in `place` whether it does. */
export class SaleNews {
  readonly #url: string;
  readonly #place: HTMLElement;
  readonly #listener: Listener;
  #source: EventSource | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(url: string, place: HTMLElement, listener: Listener) {
    this.#url = url;
    this.#place = place;
    this.#listener = listener;
    this.#listen();
  }

  end(): void {
    this.#source?.close();
    clearTimeout(this.#again);
  }

  #listen(): void {
    const source = new EventSource(this.#url);
    this.#source = source;
    const hear = (data: string): Sale => {
      const sale = JSON.parse(data) as Sale;
      this.#isClosed = sale.state === 'closed';
      this.#place.textContent = say('connected');
      return sale;
    };
    source.addEventListener('sale', ({ data }: MessageEvent<string>) => {
      this.#listener.onSale(hear(data));
    });
    source.addEventListener('counts', ({ data }: MessageEvent<string>) => {
      this.#listener.onCounts(hear(data));
    });
    source.addEventListener('error', () => {
      if (this.#isClosed) {
        source.close();
        this.#place.textContent = say('closed');
        return;
      }
      this.#place.textContent = say('waiting');
      // A browser opens a stream that was cut off again by itself, and never one that was refused.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#again = setTimeout(() => {
        this.#listener.onAgain();
        this.#listen();
      }, LISTEN_AGAIN_MS);
    });
  }
}
