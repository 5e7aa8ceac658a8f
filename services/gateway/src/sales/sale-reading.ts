import {
  formatInstant,
  type SaleChannels,
  type SaleRecord,
  type SaleState,
  type StockState,
} from '@seckill/contracts';
import { saleState, viewChannel, viewSale, type SaleView } from './sale-view.ts';
import { TextHead } from './text-head.ts';

/** An answer as text. The answer's tag is of everything but the clock. */
export interface SaleAnswer {
  etag: string;
  head: TextHead;
  tail: string;
}

/** A sale as it was at one instant. Each text that readers ask of it is made once. */
export class SaleReading {
  readonly record: SaleRecord;
  readonly state: StockState;
  #head: TextHead | undefined;
  #answer: { now: number; channelId: string | undefined; answer: SaleAnswer } | undefined;

  constructor(record: SaleRecord, state: StockState) {
    this.record = record;
    this.state = state;
  }

  get shownState(): SaleState {
    return saleState(this.state);
  }

  get view(): SaleView {
    return viewSale(this.record, this.state);
  }

  /**
   * What everyone may read. A sale may have 1,000 channels (108 kB), of which a reader wants none or one.
   * @param now Redis' clock
   * @param channelId the channel that is asked for; a sale without this channel shows none.
   */
  publicAnswer(now: number, channelId: string | undefined): SaleAnswer {
    const ms = Math.floor(now);
    if (this.#answer?.now !== ms || this.#answer.channelId !== channelId) {
      this.#answer = { now: ms, channelId, answer: this.#publicAnswer(ms, channelId) };
    }
    return this.#answer.answer;
  }

  #publicAnswer(now: number, channelId: string | undefined): SaleAnswer {
    this.#head ??= new TextHead(openText(viewSale(this.record, this.state)));
    const head = this.#head;
    if (channelId === undefined) return { etag: `W/"${head.tag}"`, head, tail: clockTail(now) };
    const channels = this.#channels(channelId).map(viewChannel);
    // The head has the version, and under one version a channel is the same.
    const etag = `W/"${head.tag}.${channelId}"`;
    return { etag, head, tail: `,"channels":${JSON.stringify(channels)}${clockTail(now)}` };
  }

  /**
   * What operators read: what becomes of late money, and every channel, with partner and cap, or the one that
   * is asked for.
   */
  operatorAnswer(channelId?: string): SaleAnswer {
    const { lateMoney = 'refund' } = this.record.definition;
    const view = { ...viewSale(this.record, this.state), lateMoney, channels: this.#channels(channelId) };
    const head = new TextHead(openText(view));
    return { etag: `W/"${head.tag}"`, head, tail: clockTail(this.state.now) };
  }

  #channels(channelId: string | undefined) {
    const { channels } = this.record.definition;
    return channelId === undefined ? channels : channels.filter(({ id }) => id === channelId);
  }
}

/** The list of a sale's channels, as everyone may read it. */
export function listChannels({ definition }: SaleRecord): SaleAnswer {
  const list: SaleChannels = { channels: definition.channels.map(viewChannel) };
  const head = new TextHead(openText(list));
  return { etag: `W/"${head.tag}"`, head, tail: '}' };
}

/** JSON without its last brace. */
function openText(value: object): string {
  return JSON.stringify(value).slice(0, -1);
}

function clockTail(now: number): string {
  return `,"serverTime":"${formatInstant(now)}"}`;
}
