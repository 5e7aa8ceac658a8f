import { parseReservationId, type ReservationSettled } from '@seckill/contracts';
import { InvariantError, invariant } from '@seckill/runtime';
import type { Connection } from '../redis/connection.ts';
import { UnservedError, type Connections } from '../redis/connections.ts';
import { scriptKeys, type Lane } from '../redis/keys.ts';
import { splitSuffix } from '../redis/reservation-id.ts';
import type { ScriptAnswer } from '../redis/scripts.ts';

/**
 * `settled`: `delayMs` after the hold's end by Redis' clock, negative before it. `absent`: no such hold.
 * `broken`: the lane contradicts the settlement, and a repeat will not change that. `unanswered`: Redis is
 * away; ask again.
 */
export type SettleAnswer =
  | { result: 'settled'; delayMs: number }
  | { result: 'absent' }
  | { result: 'broken'; error: Error }
  | { result: 'unanswered'; error: Error };

export type Settlement = Pick<ReservationSettled, 'reservationId' | 'verdict' | 'retake'>;

/** Applies settlements to Redis. Each gets one answer, in order. The failure of one never throws. */
export type Settle = (settlements: Settlement[]) => Promise<SettleAnswer[]>;

/**
 * Whether the error is our script's own word, or an error of its code or its keys' types: then this lane is
 * broken, and only this one. Everything else means that Redis cannot serve now. (Redis 7 begins errors of a
 * script's code with the place in it.)
 */
const BROKEN = /^(SECKILL_|WRONGTYPE |ERR user_script)/;

export function createSettle(connections: Pick<Connections, 'group'>): Settle {
  return async (settlements) => {
    const items = settlements.map(({ reservationId, verdict, retake = '' }) => {
      const id = parseReservationId(reservationId);
      invariant(id !== undefined, 'a settlement names a reservation');
      return { ...id, verdict, retake };
    });
    const answers: SettleAnswer[] = [];
    const groups = [...connections.group(items, (item) => item)];
    await Promise.all(
      groups.map(async ([connection, placed]) => {
        const settled = await settleBatch(
          connection,
          placed.map(({ item }) => item),
        );
        for (const [index, answer] of settled.entries()) answers[placed[index]?.index ?? -1] = answer;
      }),
    );
    return answers;
  };
}

async function settleBatch(
  connection: Connection | undefined,
  items: (Lane & { suffix: string; verdict: ReservationSettled['verdict']; retake: string })[],
): Promise<SettleAnswer[]> {
  if (connection === undefined) {
    const error = new UnservedError('no node of Redis is known to serve this lane');
    return items.map(() => ({ result: 'unanswered', error }));
  }
  const pipeline = connection.redis.pipeline();
  for (const item of items) {
    const { random, keyHash } = splitSuffix(item.suffix);
    pipeline.settle(scriptKeys('settle', item), random, keyHash, item.verdict, item.retake);
  }
  const results = await pipeline.exec();
  return items.map((_item, index) => {
    const [error, answer] = results?.[index] ?? [new Error('no answer'), undefined];
    if (error !== null) return { result: BROKEN.test(error.message) ? 'broken' : 'unanswered', error };
    return toAnswer(answer as ScriptAnswer);
  });
}

function toAnswer([result, delayMs]: ScriptAnswer): SettleAnswer {
  if (result === 'settled') return { result, delayMs: Number(delayMs) };
  if (result === 'absent') return { result };
  throw new InvariantError(`settle.lua answered ${String(result)}`);
}
