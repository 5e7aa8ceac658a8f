/**
 * So many random bytes as hex digits. `crypto.randomUUID` exists only on pages of https and of this machine
 * itself, and a console is also opened by the address of a machine nearby.
 */
export function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
