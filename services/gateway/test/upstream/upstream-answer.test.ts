// Goal: what another service answered is told to the caller as what it is: found by the fire test, in which
// buyers heard 500 `internal` while an order process was closing.
// Method: answers as they come from the wire.
import type { UpstreamAnswer } from '@seckill/runtime';
import t from 'tap';
import { expectBody } from '../../src/upstream/upstream-answer.ts';

function thrownBy(status: number, body: unknown, retryAfterSeconds?: number): unknown {
  const answer: UpstreamAnswer = { status, body };
  if (retryAfterSeconds !== undefined) answer.retryAfterSeconds = retryAfterSeconds;
  try {
    return expectBody(answer);
  } catch (error) {
    return error;
  }
}

await t.test(
  'a process that is closing refused before it looked: overloaded, and to be repeated',
  async (t) => {
    const closing = {
      error: 'Service Unavailable',
      code: undefined,
      message: 'Service Unavailable',
      statusCode: 503,
    };
    t.match(thrownBy(503, closing), { code: 'overloaded' });
    t.match(thrownBy(503, undefined), { code: 'overloaded' });
  },
);

await t.test('a problem keeps its code, and what nobody can explain is our own bug', async (t) => {
  t.match(thrownBy(503, { code: 'outcome_unknown', status: 503 }), { code: 'outcome_unknown' });
  t.match(thrownBy(500, { message: 'x' }), { message: /unexpected answer 500/ });
  t.match(thrownBy(403, { code: 'forbidden' }), { message: /unexpected answer 403/ });
  t.same(thrownBy(200, { id: 'x' }), { id: 'x' });
  const waiting = { code: 'nothing_to_pick_up', group: 'waiting', retryable: true };
  t.match(thrownBy(409, waiting, 90), {
    extra: { group: 'waiting', retryable: true },
    retryAfterSeconds: 90,
  });
});
