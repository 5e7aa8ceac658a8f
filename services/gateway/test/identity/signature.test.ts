// Goal: only a notice that the provider signed counts as money. Method: notices signed with the provider's
// library, then altered.
import { createHmac, randomBytes } from 'node:crypto';
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
      verifier.verify(Buffer.from(body), signed(secret));
    });
  }
  const headers = signed(oldSecret);
  headers['webhook-signature'] = `v1,${'A'.repeat(43)}= v2,abc ${String(headers['webhook-signature'])}`;
  t.doesNotThrow(() => {
    verifier.verify(Buffer.from(body), headers);
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
    [
      'a time with more behind it',
      body,
      { ...good, 'webhook-timestamp': `${good['webhook-timestamp'] ?? ''}x` },
    ],
  ];
  for (const [name, content, headers] of cases) {
    t.throws(
      () => {
        verifier.verify(Buffer.from(content), headers);
      },
      { code: 'bad_signature' },
      name,
    );
  }
});

await t.test('the signature is over the bytes, also where they are no text', async (t) => {
  const at = String(Math.floor(Date.now() / 1_000));
  const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x80, 0x7d]);
  const digest = createHmac('sha256', Buffer.from(newSecret.slice('whsec_'.length), 'base64'))
    .update(`msg_1.${at}.`)
    .update(bytes)
    .digest('base64');
  const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': at, 'webhook-signature': `v1,${digest}` };
  t.doesNotThrow(() => {
    verifier.verify(bytes, headers);
  });
  t.throws(
    () => {
      verifier.verify(Buffer.from(bytes.toString()), headers);
    },
    { code: 'bad_signature' },
    'text made of them is something else',
  );
});
