import type { Heartbeat } from '@seckill/contracts';
import { RedisTime } from './redis-time.ts';

/**
 * One Redis as a gateway hears it: its clock, and until when every change of its lanes was heard. Scripts
 * tell their changes, and stock its heartbeats, on one connection in one order. So a heartbeat says that
 * nothing else has changed before it. Silence says nothing.
 */
export class StateSource {
  readonly time = new RedisTime();
  #heartbeat: Heartbeat | undefined;
  #session = 0;
  #heardAt = Number.POSITIVE_INFINITY;
  #beganAt: number | undefined;

  /** Another number says that changes may have been missed since a state was heard, or told elsewhere. */
  get session(): number {
    return this.#session;
  }

  /** The latest instant of Redis' clock that anything was heard of. What was read later missed no change. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Every change after this instant of Redis' clock will be heard. */
  begin(at: number): void {
    this.#heardAt = at;
    this.#beganAt = at;
  }

  /** A change at this instant was heard. */
  note(at: number): void {
    if (at > this.#heardAt) this.#heardAt = at;
  }

  hear(heartbeat: Heartbeat): void {
    const known = this.#heartbeat;
    const isSame = known === undefined || (known.salt === heartbeat.salt && known.slots === heartbeat.slots);
    // Another Redis sells now, or lanes may have left this one with their slots.
    if (!isSame) this.#session += 1;
    // Several stock processes tell, and one may be late.
    if (!isSame || known === undefined || heartbeat.now > known.now) this.#heartbeat = heartbeat;
    this.note(heartbeat.now);
  }

  /** The connection has ended. */
  forget(): void {
    this.time.forget();
    this.#heartbeat = undefined;
    this.#session += 1;
    this.#heardAt = Number.POSITIVE_INFINITY;
    this.#beganAt = undefined;
  }

  /** The instant until which stock vouches for the Redis of this identity. Undefined: stock does not. */
  vouchedTo(salt: string): number | undefined {
    return this.#heartbeat?.salt === salt ? this.#heartbeat.now : undefined;
  }

  /**
   * Seconds since the last heartbeat, or since the connection began without one. NaN while Redis cannot be
   * heard.
   * @param now of our monotonic clock; milliseconds.
   */
  silentSeconds(now: number): number {
    const since = this.#heartbeat?.now ?? this.#beganAt;
    const latest = this.time.bounds(now)?.latest;
    return since === undefined || latest === undefined ? Number.NaN : Math.max(0, latest - since) / 1_000;
  }
}
