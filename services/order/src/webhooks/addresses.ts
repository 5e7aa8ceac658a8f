import { lookup as resolve, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { refuse } from '../invalid-request.ts';

/** An address that is not on the internet: whoever may name one could reach into the operator's network. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  readonly code = 'SECKILL_PRIVATE_ADDRESS';

  constructor() {
    // The address itself would tell who registered the endpoint how the network is built.
    super('the host has an address that is not public');
  }
}

/**
 * Tells whether an address is on the internet. Loopback, private, link-local (with the clouds' metadata
 * service), carrier-grade, multicast, documentation and every other special range is not (IANA's registries
 * of special purpose addresses). An IPv4 address within an IPv6 one counts as itself.
 */
export function isPublicAddress(address: string): boolean {
  try {
    return ipaddr.process(address).range() === 'unicast';
  } catch {
    return false;
  }
}

/** @returns the address where a host is one, which is never looked up. */
function literalOf({ hostname }: URL): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(bare) ? bare : undefined;
}

/** @throws PrivateAddressError when the host is written as an address that is not public. */
export function assertPublicHost(url: URL): void {
  const literal = literalOf(url);
  if (literal !== undefined && !isPublicAddress(literal)) throw new PrivateAddressError();
}

/**
 * Parses the address of an endpoint. @returns it as it will be called.
 * @throws Problem `invalid_request` with `field: "url"`.
 */
export function parseEndpointUrl(text: string, isPrivateAllowed: boolean): URL {
  if (!URL.canParse(text)) return refuse('url_malformed', 'url');
  const url = new URL(text);
  const schemes = isPrivateAllowed ? ['https:', 'http:'] : ['https:'];
  if (!schemes.includes(url.protocol)) return refuse('url_not_https', 'url');
  if (url.username !== '' || url.password !== '') return refuse('url_with_password', 'url');
  if (!isPrivateAllowed) {
    try {
      assertPublicHost(url);
    } catch (error) {
      if (error instanceof PrivateAddressError) return refuse('url_not_public', 'url');
      throw error;
    }
  }
  return url;
}

/**
 * Resolves a name and gives its addresses only if all of them are public. The socket connects to what is
 * given here, so a name that answers otherwise a moment later changes nothing.
 */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  const all: LookupOptions & { all: true } = { ...options, all: true };
  resolve(hostname, all, (error, addresses: LookupAddress[]) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const [first] = addresses;
    if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
      callback(new PrivateAddressError(), []);
      return;
    }
    if (options.all === true) {
      callback(null, addresses);
      return;
    }
    callback(null, first.address, first.family);
  });
};
