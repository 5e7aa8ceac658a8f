import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { addVary, type Http } from '@seckill/runtime';

/** Characters. A shorter answer fits into one packet anyway. */
export const COMPRESSED_FROM_LENGTH = 1_024;

const compress = promisify(gzip);

/**
 * Compresses larger answers for those who ask for it. The payloads stand in one piece as text, so one call of
 * zlib outside of the event loop's thread does. Answers that come compressed already pass by.
 */
export function compressAnswers(app: Http): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || payload.length < COMPRESSED_FROM_LENGTH) {
      done(null, payload);
      return;
    }
    addVary(reply, 'accept-encoding');
    if (!acceptsGzip(request.headers['accept-encoding'])) {
      done(null, payload);
      return;
    }
    reply.header('content-encoding', 'gzip');
    // A strong tag promises the same bytes.
    const etag = reply.getHeader('etag');
    if (typeof etag === 'string' && etag.startsWith('"')) reply.header('etag', `W/${etag}`);
    compress(payload).then(
      (compressed) => {
        done(null, compressed);
      },
      (error: unknown) => {
        done(error as Error);
      },
    );
  });
}

/** Whether a client wants gzip (RFC 9110, section 12.5.3). What it does not name, it does not want here. */
export function acceptsGzip(acceptEncoding: string | string[] | undefined): boolean {
  if (acceptEncoding === undefined) return false;
  let accepts: boolean | undefined;
  for (const part of String(acceptEncoding).toLowerCase().split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim());
    if (coding !== 'gzip' && coding !== 'x-gzip' && coding !== '*') continue;
    const isRefused = parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
    // A coding that is named counts before the wildcard.
    if (coding !== '*') return !isRefused;
    accepts = !isRefused;
  }
  return accepts ?? false;
}
