import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../support/stack.ts';

export interface Count {
  invoked: number;
  ok: number;
  fail: number;
  /** Attempts without a definite answer. Each was repeated under the same key. */
  unknown: number;
}

/** These say that nothing happened, and that the same call may succeed. */
const LATER = new Set(['overloaded', 'sale_unavailable', 'order_not_ready', 'rate_limited']);
/**
 * A client that repeats no sooner is not overtaken by what it asked before (docs/recovery.md, "Not
 * covered").
 */
const UNANSWERED_MS = 5_000;
const UNKNOWN_MS = 2_000;

/**
 * Every operation of the crowd as it was invoked, and what became of it: ok, fail, or unknown, which is
 * repeated under the same key until it is one of the two.
 */
export class Operations {
  readonly counts = new Map<string, Count>();
  /** How often each code was heard. */
  readonly codes = new Map<string, number>();
  /** What no client may ever hear. */
  readonly errors: string[] = [];
  /** Operations that heard nothing definite although everything was healed long ago. */
  readonly unresolved: string[] = [];
  /** Operations that were unknown at first and then ok: the same key told the truth. */
  resolved = 0;
  readonly #file: WriteStream;
  readonly #random: () => number;
  #healedAt = Infinity;
  #definiteMs = 0;

  constructor(file: string, random: () => number) {
    this.#file = createWriteStream(file, { mode: 0o600 });
    this.#random = random;
  }

  /** From now on everything has so many ms to become definite, and what is asked later as many of its own. */
  healed(ms: number): void {
    this.#healedAt = performance.now();
    this.#definiteMs = ms;
  }

  /** The same call until its answer is definite; undefined: it never was. */
  async insist(kind: string, id: string, send: () => Promise<Answer>): Promise<Answer | undefined> {
    const count = this.#countOf(kind);
    count.invoked += 1;
    const at = Date.now();
    const beganAt = performance.now();
    for (let attempt = 1, unknown = 0; ; attempt += 1) {
      const sentAt = performance.now();
      const answer = await send().catch((error: unknown) => networkCode(error));
      const code = typeof answer === 'string' ? answer : this.#judge(kind, id, answer);
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      if (typeof answer !== 'string' && isDefinite(answer, code)) {
        const result = answer.status < 300 ? 'ok' : 'fail';
        count[result] += 1;
        if (result === 'ok' && unknown > 0) this.resolved += 1;
        const made = answer.status === 201 ? answer.body['id'] : undefined;
        this.#write({ at, ms: Date.now() - at, kind, id, result, code, attempt, made });
        return answer;
      }
      if (code === 'no_answer' || code === 'outcome_unknown') {
        unknown += 1;
        count.unknown += 1;
        this.#write({ at: Date.now(), kind, id, result: 'unknown', code, attempt });
      }
      if (performance.now() > Math.max(beganAt, this.#healedAt) + this.#definiteMs) {
        this.unresolved.push(`${kind} ${id}: ${code}`);
        return undefined;
      }
      await sleep(this.#waitOf(code, answer, performance.now() - sentAt));
    }
  }

  close(): void {
    this.#file.end();
  }

  #judge(kind: string, id: string, { status, body, text }: Answer): string {
    if (status === 500) this.errors.push(`${kind} ${id}: ${text}`);
    const { code } = body;
    return status < 300 ? 'ok' : typeof code === 'string' ? code : String(status);
  }

  #waitOf(code: string, answer: Answer | string, tookMs: number): number {
    if (code === 'refused') return 100 + 200 * this.#random();
    if (code === 'no_answer') return Math.max(0, UNANSWERED_MS - tookMs);
    const header = typeof answer === 'string' ? undefined : answer.headers['retry-after'];
    const seconds = Number(header ?? 0);
    if (code === 'outcome_unknown') return Math.max(UNKNOWN_MS, seconds * 1_000);
    return Math.max(0.2, seconds) * 1_000 * (0.5 + this.#random());
  }

  #countOf(kind: string): Count {
    const count = this.counts.get(kind) ?? { invoked: 0, ok: 0, fail: 0, unknown: 0 };
    this.counts.set(kind, count);
    return count;
  }

  #write(line: Record<string, unknown>): void {
    this.#file.write(`${JSON.stringify(line)}\n`);
  }
}

/** A connection that was refused carried no request. */
function networkCode(error: unknown): string {
  return (error as { code?: string }).code === 'ECONNREFUSED' ? 'refused' : 'no_answer';
}

function isDefinite({ status }: Answer, code: string): boolean {
  return status < 500 ? !LATER.has(code) && status !== 408 : false;
}
