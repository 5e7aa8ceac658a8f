import { parseReservationId, type ReservationSettled } from '@seckill/contracts';
import { InvariantError, invariant } from '@seckill/runtime';
import type { Connection } from './connection.ts';
import { scriptKeys } from './keys.ts';
import type { ScriptAnswer } from './scripts.ts';

/**
 * `settled`: `delayMs` after the hold's end by Redis' clock, negative before it. `absent`: no such hold. `broken`: the
 * lane contradicts the settlement, and a repeat will not change that. `unanswered`: Redis is away; ask again.
 */
export type SettleAnswer =
  | { result: 'settled'; delayMs: number }
  | { result: 'absent' }
  | { result: 'broken'; error: Error }
  | { result: 'unanswered'; error: Error };

/** Applies settlements to Redis. One answer each, in order; never throws for the failure of one. */
export type Settle = (
  settlements: Pick<ReservationSettled, 'reservationId' | 'verdict'>[],
) => Promise<SettleAnswer[]>;

/**
 * Our script's own word, or an error of its code or its keys' types: this lane is broken, and only this one. Everything
 * else is Redis that cannot serve now. (Redis 7 begins errors of a script's code with the place in it.)
 */
const BROKEN = /^(SECKILL_|WRONGTYPE |ERR user_script)/;

export function createSettle({ redis }: Pick<Connection, 'redis'>): Settle {
  return async (settlements) => {
    const pipeline = redis.pipeline();
    for (const { reservationId, verdict } of settlements) {
      const id = parseReservationId(reservationId);
      invariant(id !== undefined, 'a settlement names a reservation');
      pipeline.settle(scriptKeys('settle', id), id.random, verdict);
    }
    const results = await pipeline.exec();
    return settlements.map((_settlement, index) => {
      const [error, answer] = results?.[index] ?? [new Error('no answer'), undefined];
      if (error !== null) return { result: BROKEN.test(error.message) ? 'broken' : 'unanswered', error };
      return toAnswer(answer as ScriptAnswer);
    });
  };
}

function toAnswer([result, delayMs]: ScriptAnswer): SettleAnswer {
  if (result === 'settled') return { result, delayMs: Number(delayMs) };
  if (result === 'absent') return { result };
  throw new InvariantError(`settle.lua answered ${String(result)}`);
}
