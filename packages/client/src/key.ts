/**
 * A key of one reservation: 128 random bits where the platform has them. A key counts for its buyer and sale
 * alone, so two of one buyer must differ, and nobody else can use it. `randomUUID` exists only on pages of
 * https; mini programs have no `crypto` at all.
 */
export function makeKey(): string {
  const bytes = Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
  const random =
    typeof crypto === 'undefined' ? bytes : Array.from(crypto.getRandomValues(new Uint8Array(16)));
  return random.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
