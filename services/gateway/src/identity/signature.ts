import { createHmac, timingSafeEqual } from 'node:crypto';
import { detailOf, type DetailKey } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

export interface SignatureVerifier {
  /**
   * Standard Webhooks 1.0.0: HMAC-SHA256 over id, timestamp and the very bytes of the body, compared in
   * constant time; a timestamp more than five minutes off is refused.
   * @throws Problem `bad_signature`
   */
  verify(bytes: Buffer, headers: Record<string, string | string[] | undefined>): void;
}

const TOLERANCE_SECONDS = 300;

/**
 * There are several secrets because, during a rotation, the provider signs with the new one while notices
 * under the old one are under way.
 * The few lines of the library `standardwebhooks` stand here, over bytes. The library makes text of the body
 * first. Bytes that are not UTF-8 would become others on the way, and a notice that was signed would be
 * refused. The tests sign with the library.
 */
export function createSignatureVerifier(secrets: string[]): SignatureVerifier {
  const keys = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
  return {
    verify(bytes, headers) {
      const [id, at, given] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
        String(headers[name] ?? ''),
      );
      if (id === undefined || at === undefined || given === undefined || id === '' || given === '') {
        refuse('signature_header_missing');
      }
      const seconds = /^\d{1,12}$/.test(at) ? Number(at) : refuse('signature_time_malformed');
      if (Math.abs(Math.floor(Date.now() / 1_000) - seconds) > TOLERANCE_SECONDS) {
        refuse('signature_time_off');
      }
      const signatures = given
        .split(' ')
        .filter((one) => one.startsWith('v1,'))
        .map((one) => Buffer.from(one.slice('v1,'.length)));
      // Every pair is compared, whichever matches.
      const matches = keys.flatMap((key) => {
        // Node reads headers as Latin-1, so these are the bytes that came.
        const digest = createHmac('sha256', key)
          .update(`${id}.${at}.`, 'latin1')
          .update(bytes)
          .digest('base64');
        return signatures.map((one) => isEqual(one, Buffer.from(digest)));
      });
      if (!matches.includes(true)) refuse('signature_unmatched');
    },
  };
}

function isEqual(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function refuse(detail: DetailKey): never {
  throw new Problem('bad_signature', { detail: detailOf(detail) });
}
