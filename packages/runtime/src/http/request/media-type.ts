import Negotiator from 'negotiator';

/**
 * Which of these media types a client likes best by `Accept`, quality values and all (RFC 9110, 12.5.1). The
 * first one answers those who name none, or none that there is.
 */
export function mediaTypeOf(accept: string | undefined, types: readonly [string, ...string[]]): string {
  if (accept === undefined) return types[0];
  return new Negotiator({ headers: { accept } }).mediaType([...types]) ?? types[0];
}
