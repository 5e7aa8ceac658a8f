import { randomInt } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/**
 * A reader for whom more than this waits is dropped: eight states of a sale with 50 items. The kernel holds
 * more than that for everyone who still reads.
 */
const WAITING_BYTES_MAX = 65_536;
/** A reader that does not take the end within this time is cut off. */
const END_MS = 1_000;

export type EndReason = 'left' | 'slow' | 'closed' | 'drained';

/** One open answer. Everything that is written to it was made once for all listeners of the sale. */
export class Listener {
  readonly #response: ServerResponse;
  /** Names the state that it has. */
  tag: string | undefined;
  /** Whether changes of counts alone come as the event `counts`, which is smaller than the whole sale. */
  readonly hearsCounts: boolean;
  endReason: EndReason = 'left';

  /** `onEnd` is called once, however it ends. */
  constructor(
    response: ServerResponse,
    tag: string | undefined,
    onEnd: (reason: EndReason) => void,
    hearsCounts = false,
  ) {
    this.#response = response;
    this.tag = tag;
    this.hearsCounts = hearsCounts;
    response.once('close', () => {
      onEnd(this.endReason);
    });
    // The socket tells the same by its end.
    response.on('error', () => undefined);
  }

  /** @returns false when the reader was too slow, and is dropped */
  send(bytes: Buffer): boolean {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return true;
    if (response.writableLength > WAITING_BYTES_MAX) {
      this.endReason = 'slow';
      response.destroy();
      return false;
    }
    response.write(bytes);
    return true;
  }

  /** Ends after what was written. The browser comes back within these bounds, in ms, unless it has enough. */
  end(reason: EndReason, [soonest, latest]: readonly [number, number]): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    this.endReason = reason;
    response.end(retryLine(soonest, latest));
    const cut = setTimeout(() => response.destroy(), END_MS);
    cut.unref();
    response.once('close', () => {
      clearTimeout(cut);
    });
  }
}

/** Tells a browser when to come back: a number of its own, so that a crowd does not come back at once. */
export function retryLine(soonest: number, latest: number): string {
  return `retry: ${randomInt(soonest, latest + 1)}\n\n`;
}
