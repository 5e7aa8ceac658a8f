// Goal: only the provider's own words count as money. Method: notices signed with the provider's library,
// then altered.
import { randomBytes } from 'node:crypto';
import standardwebhooks from 'standardwebhooks';
import t from 'tap';
import { createSignatureVerifier } from '../../src/identity/signature.ts';

const makeSecret = () => `whsec_${randomBytes(32).toString('base64')}`;
const oldSecret = makeSecret();
const newSecret = makeSecret();
const verifier = createSignatureVerifier([newSecret, oldSecret]);
const body = JSON.stringify({
  type: 'payment.succeeded',
  data: { amount: { amount: 2_990, currency: 'CNY' } },
});

function signed(secret: string, at = new Date(), content = body): Record<string, string> {
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new standardwebhooks.Webhook(secret).sign('msg_1', at, content),
  };
}

await t.test('either secret verifies during a rotation, alone or among several signatures', async (t) => {
  for (const secret of [oldSecret, newSecret]) {
    t.doesNotThrow(() => {
      verifier.verify(body, signed(secret));
    });
  }
  const headers = signed(oldSecret);
  headers['webhook-signature'] = `v1,${'A'.repeat(43)}= v2,abc ${String(headers['webhook-signature'])}`;
  t.doesNotThrow(() => {
    verifier.verify(body, headers);
  });
});

await t.test('everything else is a bad signature', async (t) => {
  const minutes = (count: number) => new Date(Date.now() + count * 60_000);
  const good = signed(newSecret);
  const cases: [string, string, Record<string, string | undefined>][] = [
    ['another secret', body, signed(makeSecret())],
    ['another body', body.replace('2990', '1'), good],
    ['another id', body, { ...good, 'webhook-id': 'msg_2' }],
    ['another time', body, { ...good, 'webhook-timestamp': String(Number(good['webhook-timestamp']) + 1) }],
    ['too old', body, signed(newSecret, minutes(-6))],
    ['from the future', body, signed(newSecret, minutes(6))],
    ['no signature', body, { ...good, 'webhook-signature': undefined }],
    ['no headers', body, {}],
    ['a signature without a version', body, { ...good, 'webhook-signature': 'nonsense' }],
    ['a version without a signature', body, { ...good, 'webhook-signature': 'v1' }],
    ['a time that is none', body, { ...good, 'webhook-timestamp': 'soon' }],
  ];
  for (const [name, content, headers] of cases) {
    t.throws(
      () => {
        verifier.verify(content, headers);
      },
      { code: 'bad_signature' },
      name,
    );
  }
});
