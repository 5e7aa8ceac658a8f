// Goal: a signed notice is understood, or another type, or kept; none is refused, and none is understood in
// two ways. Method: tables of bytes. What is kept names the reason a person needs.
import { test } from 'tap';
import { readNotice } from '../../src/payments/notice-reading.ts';

const GOOD =
  '{"type":"payment.succeeded","timestamp":"2026-11-22T12:00:05Z","data":{"orderId":"s.0.abc","paymentId":"p-1","amount":{"amount":100,"currency":"CNY"}}}';
const replaced = (from: string, to: string) => {
  if (!GOOD.includes(from)) throw new Error(`${from} is not in the notice`);
  return GOOD.replace(from, to);
};
const read = (bytes: string | Buffer) => readNotice(Buffer.from(bytes as string));
const UNDERSTOOD = {
  kind: 'payment',
  notification: {
    type: 'payment.succeeded',
    data: { orderId: 's.0.abc', paymentId: 'p-1', amount: { amount: 100, currency: 'CNY' } },
  },
};

await test('fields that we do not know are ignored, wherever they stand', async (t) => {
  const table: [string, string][] = [
    ['as documented', GOOD],
    ['at the top', replaced('{"type"', '{"id":"evt_1","livemode":true,"type"')],
    ['twice at the top', replaced('{"type"', '{"id":1,"id":2,"type"')],
    ['in data', replaced('"data":{', '"data":{"coupon_fee":1,"nested":{"amount":{"amount":5}},')],
    ['in amount', replaced('{"amount":100', '{"payer_total":1,"amount":100')],
    [
      'with the names of ours, elsewhere',
      replaced('"data":{', '"":{"type":1},"data.orderId":7,"x":[{"data":1},"type"],"data":{'),
    ],
    [
      'with text that looks like more',
      replaced('"data":{', '"note":"\\",\\"type\\":\\"x","data":{"remark":"{}[],:",'),
    ],
    ['a prototype', replaced('{"type"', '{"__proto__":{"type":"x"},"constructor":1,"type"')],
    ['blanks', GOOD.replaceAll(/([{}:,])/g, ' $1\n\t').replace(/12 :\n\t00 :\n\t05Z/, '12:00:05Z')],
    ['behind a byte order mark', `\ufeff${GOOD}`],
    ['an amount as floats write it', replaced('"amount":100', '"amount":100.00')],
    ['escaped names', replaced('"orderId"', '"\\u006frderId"')],
  ];
  for (const [name, text] of table) t.match(read(text), UNDERSTOOD, name);
});

await test('another type is ignored, whatever else it says', async (t) => {
  const table = ['payment.failed', 'refund.succeeded', '', 'x'.repeat(10_000), 'payment.succeeded.v2'];
  for (const type of table) {
    t.same(read(JSON.stringify({ type, data: 5 })), { kind: 'ignored', type }, type.slice(0, 20));
  }
});

await test('a notice that cannot be understood is kept, with the reason', async (t) => {
  const table: [string | Buffer, RegExp][] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    ['amount=100&order=1', /not JSON/],
    [Buffer.from([0x7b, 0xff, 0x7d]), /not JSON/],
    [Buffer.concat([Buffer.from(GOOD), Buffer.from([0])]), /not JSON/],
    ['['.repeat(100_000), /not JSON/],
    ['null', /not a JSON object/],
    ['[]', /not a JSON object/],
    ['"payment.succeeded"', /not a JSON object/],
    ['{}', /type is no text/],
    [replaced('"payment.succeeded"', '1'), /type is no text/],
    [replaced('"type":', '"kind":'), /type is no text/],
    [replaced('payment.succeeded', 'Payment.Succeeded'), /type is not written/],
    [replaced('payment.succeeded', ' payment.succeeded'), /type is not written/],
    [replaced('"timestamp":"2026-11-22T12:00:05Z"', '"timestamp":1795348805'), /timestamp/],
    [replaced('"timestamp":"2026-11-22T12:00:05Z",', ''), /timestamp/],
    [replaced('2026-11-22T12:00:05Z', ''), /timestamp/],
    [replaced('2026-11-22T12:00:05Z', 'x'.repeat(65)), /timestamp/],
    [replaced('2026-11-22T12:00:05Z', '\\u0000'), /timestamp/],
    [replaced('2026-11-22T12:00:05Z', '\\ud800'), /timestamp/],
    [replaced('"data":{', '"data":null,"rest":{'), /data/],
    [replaced('"orderId":"s.0.abc",', ''), /orderId/],
    [replaced('"s.0.abc"', '17'), /orderId/],
    [replaced('s.0.abc', ''), /orderId/],
    [replaced('s.0.abc', 'a b'), /orderId/],
    [replaced('s.0.abc', 'a\\u0000b'), /orderId/],
    [replaced('s.0.abc', '\\udfff'), /orderId/],
    [replaced('s.0.abc', 'x'.repeat(129)), /orderId/],
    [replaced('"paymentId":"p-1",', ''), /paymentId/],
    [replaced('p-1', '支付'), /paymentId/],
    [replaced('p-1', 'x'.repeat(129)), /paymentId/],
    [replaced('{"amount":100,"currency":"CNY"}', '100'), /amount/],
    [replaced('"amount":100', '"amount":"100"'), /amount/],
    [replaced('"amount":100', '"amount":99.5'), /amount/],
    [replaced('"amount":100', '"amount":100.000000000000000001'), /not written as an integer/],
    [replaced('"amount":100', '"amount":1e2'), /not written as an integer/],
    [replaced('"amount":100', '"amount":-0'), /not written as an integer/],
    [replaced('"amount":100', '"amount":-100'), /amount/],
    [replaced('"amount":100', '"amount":null'), /amount/],
    [replaced('"amount":100', '"amount":9007199254740993'), /beyond 2\^53/],
    [replaced('"amount":100', `"amount":1${'0'.repeat(400)}`), /amount/],
    [replaced('CNY', 'cny'), /currency/],
    [replaced('CNY', '人民币'), /currency/],
    [replaced('"CNY"', '156'), /currency/],
    [replaced(',"currency":"CNY"', ''), /currency/],
    [replaced('{"type"', '{"type":"x","type"'), /type stands twice/],
    [replaced('"orderId"', '"orderId":"s.0.other","orderId"'), /data\.orderId stands twice/],
    [replaced('"amount":100', '"amount":100,"amount":100'), /data\.amount\.amount stands twice/],
    [replaced('"amount":100', '"amount":1,"\\u0061mount":100'), /data\.amount\.amount stands twice/],
    [replaced('"data":{', '"data":{},"data":{'), /data stands twice/],
  ];
  for (const [bytes, reason] of table) {
    t.match(read(bytes), { kind: 'unclear', reason }, bytes.toString().slice(0, 160));
  }
});

await test('a notice made to be slow is read within the time of a few requests', async (t) => {
  const names = Array.from({ length: 20_000 }, (_, index) => `"${index}":0`).join(',');
  const table = [
    replaced('"data":{', `"data":{${'"a":0,'.repeat(40_000)}`),
    replaced('"data":{', `"data":{${names},`),
    replaced('"data":{', `"x":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)},"data":{`),
    replaced('"data":{', `"x":"${'\\\\'.repeat(100_000)}","data":{`),
  ];
  for (const text of table) {
    const startedAt = performance.now();
    t.match(read(text), UNDERSTOOD);
    t.ok(performance.now() - startedAt < 1_000, `${text.length} bytes`);
  }
});
