import { detailOf } from '@seckill/contracts';
import type { Http } from '../app.ts';
import { Problem } from '../problem/problem.ts';

/** No body is decompressed: a few bytes could become many. */
export function refuseEncodedBodies(app: Http): void {
  app.addHook('preParsing', (request, reply, payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity' || request.routeOptions.config.readsBody === true) {
      done(null, payload);
      return;
    }
    // RFC 9110, 15.5.16: the answer says what would be taken.
    reply.header('accept-encoding', 'identity');
    throw new Problem('unsupported_media_type', { detail: detailOf('body_encoded') });
  });
}
