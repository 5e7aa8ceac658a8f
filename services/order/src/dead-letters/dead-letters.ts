import {
  detailOf,
  formatInstant,
  type DeadLetterState,
  type ParkedMessage,
  type ParkedMessagePage,
} from '@seckill/contracts';
import { createProducer, Problem, type Kafka, type Pool, type Producer } from '@seckill/runtime';
import { refuse } from '../invalid-request.ts';
import { readLetters, replayLetter, type Letter, type OffsetRange } from './dead-letter-topic.ts';
import {
  LetterMarks,
  markDone,
  markReplayed,
  readMarks,
  type Done,
  type LetterMark,
} from './letter-marks.ts';

/**
 * Calls that may wait for the one that reads. Each reads the whole topic, because Kafka finds nothing by what
 * is in it.
 */
const WAITING_MAX = 4;

export interface DeadLetterQuery {
  /** Absent: all states. */
  state?: DeadLetterState | undefined;
  /** Letters that were parked from then on. */
  since?: Date | undefined;
  /** And before then. */
  until?: Date | undefined;
  limit: number;
  cursor?: string | undefined;
}

export interface DeadLettersDeps {
  kafka: Kafka;
  pool: Pool;
  /** How long one reading of the topic may take. Absent: for as long as Kafka answers. */
  readingMs?: number;
}

/** The dead letters and what became of them, for the command and for operators over HTTP. */
export class DeadLetters {
  readonly #deps: DeadLettersDeps;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(deps: DeadLettersDeps) {
    this.#deps = deps;
  }

  /**
   * Lists the oldest first. A page continues behind the last letter seen. No more is kept in memory than the
   * page has, however many letters there are.
   * @throws Problem `invalid_request` when the cursor is not one of ours; `overloaded` when Kafka is silent
   * or others wait already; kafkajs' own error.
   */
  async list({ state, since, until, limit, cursor }: DeadLetterQuery): Promise<ParkedMessagePage> {
    const after = cursor === undefined ? '' : parseCursor(cursor);
    const found: ParkedMessage[] = [];
    // One more than asked tells whether there is another page.
    const cut = () => found.sort(compare).splice(limit + 1);
    await this.#inTurn(async () => {
      await this.#read(async (letter, marks) => {
        if (since !== undefined && letter.parkedAt < since) return;
        if (until !== undefined && letter.parkedAt >= until) return;
        const message = toMessage(letter, marks.find(letter));
        if (state !== undefined && message.state !== state) return;
        if (placeOf(message) <= after) return;
        found.push(message);
        if (found.length > 2 * (limit + 1)) cut();
      });
    });
    cut();
    const data = found.slice(0, limit);
    const last = data.at(-1);
    const hasMore = found.length > data.length && last !== undefined;
    return { data, ...(hasMore ? { nextCursor: formatCursor(last) } : {}) };
  }

  /** @throws Problem `dead_letter_not_found`, and as `list` */
  async find(id: string): Promise<{ letter: Letter; message: ParkedMessage }> {
    return this.#inTurn(async () => {
      const { letter, mark } = await this.#find(id);
      return { letter, message: toMessage(letter, mark) };
    });
  }

  /**
   * Sends the original message again, to where it was met. A repeat sends it once more, which changes nothing
   * that was stored.
   * @throws Problem `dead_letter_not_replayable`; PublishError; as `find`.
   */
  async replay(id: string): Promise<ParkedMessage> {
    return this.#inTurn(async () => {
      const { letter, mark } = await this.#find(id);
      const replayedAt = await this.#withProducer((producer) => this.#send(producer, letter));
      return toMessage(letter, { ...mark, replayedAt });
    });
  }

  /**
   * Marks a letter as dealt with: whoever was promised something has it, or was told. The letter stays listed
   * among those that are done. Who says so first is kept, so a repeat changes nothing.
   * @throws Problem as `find`
   */
  async done(id: string, done: Done): Promise<ParkedMessage> {
    return this.#inTurn(async () => {
      const { letter, mark } = await this.#find(id);
      return toMessage(letter, { ...mark, done: await markDone(this.#deps.pool, letter, done) });
    });
  }

  /**
   * Replays all that wait. A letter that can never be replayed does not hold up the others.
   * @throws as `list`; PublishError.
   */
  async replayWaiting(): Promise<{ replayed: string[]; failed: { id: string; error: string }[] }> {
    const replayed: string[] = [];
    const failed: { id: string; error: string }[] = [];
    await this.#inTurn(async () => {
      await this.#withProducer((producer) =>
        this.#read(async (letter, marks) => {
          const id = nameOf(letter);
          if (marks.find(letter) !== undefined) return;
          try {
            await this.#send(producer, letter);
            replayed.push(id);
          } catch (error) {
            if (!(error instanceof Problem)) throw error;
            failed.push({ id, error: error.message });
          }
        }),
      );
    });
    return { replayed, failed };
  }

  async #find(id: string): Promise<{ letter: Letter; mark: LetterMark | undefined }> {
    const found: { letter: Letter; mark: LetterMark | undefined }[] = [];
    await this.#read(async (letter, marks) => {
      if (nameOf(letter) === id) found.push({ letter, mark: marks.find(letter) });
    });
    const [first] = found;
    if (first === undefined) {
      throw new Problem('dead_letter_not_found', { detail: detailOf('no_such_letter', { id }) });
    }
    return first;
  }

  /** The mark comes after Kafka's confirmation. A crash between the two leads to one more replay. */
  async #send(producer: Producer, letter: Letter): Promise<Date> {
    await replayLetter(producer, letter);
    return markReplayed(this.#deps.pool, letter);
  }

  async #withProducer<Result>(work: (producer: Producer) => Promise<Result>): Promise<Result> {
    const producer = createProducer(this.#deps.kafka);
    await producer.connect();
    try {
      return await work(producer);
    } finally {
      await producer.disconnect();
    }
  }

  async #read(onLetter: (letter: Letter, marks: LetterMarks) => Promise<void>): Promise<void> {
    const { kafka, pool, readingMs } = this.#deps;
    let marks = new LetterMarks();
    const onRanges = async (ranges: OffsetRange[]) => {
      marks = await readMarks(pool, ranges);
    };
    const options = { onRanges, ...(readingMs === undefined ? {} : { readingMs }) };
    await readLetters(kafka, (letter) => onLetter(letter, marks), options);
  }

  /** One after another: several readings at once would make each slower. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#waiting >= WAITING_MAX) throw new Problem('overloaded');
    this.#waiting += 1;
    const before = this.#last;
    const mine = before.then(work, work).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

/** A list of a hundred letters must not be as large as what is in them. */
const TEXT_MAX = 500;
const cut = (text: string) => text.slice(0, TEXT_MAX);

const nameOf = ({ partition, offset }: Letter) => `${partition}-${offset}`;

function toMessage(letter: Letter, { replayedAt, done }: LetterMark = {}): ParkedMessage {
  const { topic, partition, offset, error, isTruncated } = letter.content;
  return {
    id: nameOf(letter),
    state: done !== undefined ? 'done' : replayedAt === undefined ? 'waiting' : 'replayed',
    topic: cut(topic),
    partition,
    offset: cut(offset),
    key: cut(letter.key),
    error: cut(error),
    ...(isTruncated === true ? { isTruncated } : {}),
    parkedAt: formatInstant(letter.parkedAt),
    ...(replayedAt === undefined ? {} : { replayedAt: formatInstant(replayedAt) }),
    ...(done === undefined
      ? {}
      : { doneAt: formatInstant(done.at), doneBy: done.by, doneReason: done.reason }),
  };
}

/** Where a letter stands in the list: by time, and those of one moment by their names. As text it sorts. */
function placeOf({ parkedAt, id }: Pick<ParkedMessage, 'parkedAt' | 'id'>): string {
  const [partition = '', offset = ''] = id.split('-');
  return `${parkedAt} ${partition.padStart(5, '0')} ${offset.padStart(18, '0')}`;
}

function compare(a: ParkedMessage, b: ParkedMessage): number {
  return placeOf(a) < placeOf(b) ? -1 : 1;
}

const CURSOR = /^\d{4}-[\dT:.-]{1,20}Z \d{5} \d{18}$/;

const formatCursor = (message: ParkedMessage) => Buffer.from(placeOf(message)).toString('base64url');

function parseCursor(cursor: string): string {
  const place = Buffer.from(cursor, 'base64url').toString();
  return CURSOR.test(place) ? place : refuse('cursor_foreign', 'cursor');
}
