import { parseInstant } from '@seckill/contracts';
import { refuse } from '../sales/sale-definition.ts';

/**
 * An instant of a query, which fits `InstantInput`.
 * @throws Problem `invalid_request` when no calendar has it.
 */
export function instantOf(field: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  return new Date(parseInstant(text) ?? refuse('instant_unreal', field));
}
