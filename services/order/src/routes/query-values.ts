import { LIMITS, parseInstant } from '@seckill/contracts';
import { refuse } from '../invalid-request.ts';

/**
 * An instant of a query, which fits `InstantInput`.
 * @throws Problem `invalid_request` when no calendar has it.
 */
export function instantOf(field: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  return new Date(parseInstant(text) ?? refuse('instant_unreal', field));
}

/** How many entries a page of a list has, by a query that fits `PageLimit`. */
export const limitOf = (limit: string | undefined) =>
  limit === undefined ? LIMITS.ordersPageDefault : Number(limit);
