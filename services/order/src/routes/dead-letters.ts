import { DeadLetterDone, DeadLetterId, DeadLettersQuery } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { DeadLetters } from '../dead-letters/dead-letters.ts';
import { instantOf, limitOf } from './query-values.ts';
import { readOperator } from './sales.ts';

/** The routes for the gateway, which has checked that an operator asks. */
export function deadLettersRoutes(app: Http, deadLetters: DeadLetters): void {
  app.get('/v1/dead-letters', { schema: { querystring: DeadLettersQuery } }, async ({ query }) =>
    deadLetters.list({
      state: query.state ?? 'waiting',
      since: instantOf('since', query.since),
      until: instantOf('until', query.until),
      limit: limitOf(query.limit),
      cursor: query.cursor,
    }),
  );

  app.post(
    '/v1/dead-letters/:letterId/replay',
    { schema: { params: Type.Object({ letterId: DeadLetterId }) } },
    async ({ params, headers, log }) => {
      const replayed = await deadLetters.replay(params.letterId);
      log.info({ letter: replayed.id, by: readOperator(headers).by }, 'dead letters: replayed');
      return replayed;
    },
  );

  app.post(
    '/v1/dead-letters/:letterId/done',
    { schema: { params: Type.Object({ letterId: DeadLetterId }), body: DeadLetterDone } },
    async ({ params, body, headers, log }) => {
      const by = readOperator(headers).by ?? 'operator';
      const done = await deadLetters.done(params.letterId, { by, reason: body.reason });
      log.info({ letter: done.id, by }, 'dead letters: done');
      return done;
    },
  );
}
