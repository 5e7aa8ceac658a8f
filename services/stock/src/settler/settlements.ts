import { parseReservationId, type ReservationSettled } from '@seckill/contracts';
import { InvariantError, invariant } from '@seckill/runtime';
import type { Connection } from '../redis/connection.ts';
import { UnservedError, type Connections } from '../redis/connections.ts';
import { scriptKeys, type Lane } from '../redis/keys.ts';
import { formatReturned } from '../redis/hold-record.ts';
import { splitSuffix } from '../redis/reservation-id.ts';
import type { ScriptAnswer } from '../redis/scripts.ts';

/**
 * `returned`: units of a paid order came back, `restocked` of them for sale. `settled`: `delayMs` after the
 * hold's end by Redis' clock, negative before it. `absent`: no such hold, or nothing new came back. `broken`:
 * the lane contradicts the settlement, and a repeat will not change that. `unanswered`: Redis is away; ask
 * again.
 */
export type SettleAnswer =
  | { result: 'settled'; delayMs: number }
  | { result: 'returned'; restocked: number }
  | { result: 'absent' }
  | { result: 'broken'; error: Error }
  | { result: 'unanswered'; error: Error };

export type Settlement = Pick<ReservationSettled, 'reservationId' | 'verdict' | 'retake' | 'returned'>;

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
    const items = settlements.map(({ reservationId, verdict, retake = '', returned }) => {
      const id = parseReservationId(reservationId);
      invariant(id !== undefined, 'a settlement names a reservation');
      return { ...id, verdict, retake, returned };
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

interface Item extends Lane {
  suffix: string;
  retake: string;
  verdict: Settlement['verdict'];
  returned: Settlement['returned'] | undefined;
}

/**
 * A return may overtake the settlement that paid the order, or be all that is left of both. So the hold is
 * settled first, in the same pipeline, and the return's answer counts.
 */
async function settleBatch(connection: Connection | undefined, items: Item[]): Promise<SettleAnswer[]> {
  if (connection === undefined) {
    const error = new UnservedError('no node of Redis is known to serve this lane');
    return items.map(() => ({ result: 'unanswered', error }));
  }
  const pipeline = connection.redis.pipeline();
  for (const item of items) {
    const { random, keyHash } = splitSuffix(item.suffix);
    pipeline.settle(scriptKeys('settle', item), random, keyHash, item.verdict, item.retake);
    if (item.returned === undefined) continue;
    pipeline.return(scriptKeys('return', item), random, keyHash, formatReturned(item.returned));
  }
  const results = (await pipeline.exec()) ?? [];
  let place = 0;
  return items.map(({ returned }) => {
    const [settled, last] = [results[place], results[place + (returned === undefined ? 0 : 1)]];
    place += returned === undefined ? 1 : 2;
    const failed = [settled, last].find((one) => one === undefined || one[0] !== null);
    if (failed !== undefined || last === undefined) {
      const error = failed?.[0] ?? new Error('no answer');
      return { result: BROKEN.test(error.message) ? 'broken' : 'unanswered', error };
    }
    return toAnswer(last[1] as ScriptAnswer);
  });
}

function toAnswer([result, fact]: ScriptAnswer): SettleAnswer {
  if (result === 'settled') return { result, delayMs: Number(fact) };
  if (result === 'returned') return { result, restocked: Number(fact) };
  // This return, or a later one, was applied before.
  if (result === 'absent' || result === 'current') return { result: 'absent' };
  throw new InvariantError(`settle.lua answered ${String(result)}`);
}
