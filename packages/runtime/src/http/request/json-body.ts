import { isUtf8 } from 'node:buffer';
import { detailOf, type Translation } from '@seckill/contracts';
import type { Http } from '../app.ts';
import { Problem } from '../problem/problem.ts';
import { hasRepeatedMembers } from './repeated-members.ts';

/**
 * Many clients name a JSON body on every call, also where they send none. An empty body counts as an absent
 * one. A route that needs a body refuses it as missing. Bytes that are no UTF-8 are refused: a decoder would
 * put another character in their place, and the text that comes out would not be the text that went in.
 */
export function parseJson(app: Http, refusesRepeatedMembers: boolean): void {
  const refuse = (detail: Translation): Problem =>
    new Problem('invalid_request', { detail, extra: { field: 'body' } });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (!isUtf8(bytes)) {
      done(refuse(detailOf('body_not_utf8')));
      return;
    }
    const body = bytes.toString('utf8');
    if (body.trim() === '') done(null, undefined);
    else if (!refusesRepeatedMembers) void parse(request, body, done);
    else {
      void parse(request, body, (error, value) => {
        if (error !== null || !hasRepeatedMembers(body, value)) done(error, value);
        else done(refuse(detailOf('members_repeated')));
      });
    }
  });
}
