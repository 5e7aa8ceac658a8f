// Goal: a repeat that comes while the first request still waits hears what the first hears (INV-4). Method:
// examples.
import type { BuyerAnswer, ReserveItem } from '@seckill/contracts';
import t from 'tap';
import { KeysUnderWay } from '../../src/upstream/keys-under-way.ts';

const item = (patch: Partial<ReserveItem> = {}): ReserveItem => ({
  saleId: 'oranges',
  userId: 'u1',
  idempotencyKey: 'k',
  lines: [
    { sku: 'a', quantity: 1 },
    { sku: 'b', quantity: 2 },
  ],
  ...patch,
});

await t.test('the same request waits for the same answer, until there is one', async (t) => {
  const keys = new KeysUnderWay();
  let resolve: (answer: BuyerAnswer) => void = () => undefined;
  const answer = new Promise<BuyerAnswer>((done) => (resolve = done));
  keys.add(item(), answer);
  t.equal(keys.find(item()), answer);
  t.equal(keys.find(item({ lines: item().lines.toReversed() })), answer, 'lines in another order');
  for (const other of [
    { userId: 'u2' },
    { idempotencyKey: 'k2' },
    { saleId: 'pears' },
    { lines: [{ sku: 'a', quantity: 1 }] },
    { ref: 'x' },
    { channelId: 'c' },
    { metadata: {} },
    { contact: 'key-1.mac-1.x' },
  ]) {
    t.equal(keys.find(item(other)), undefined, JSON.stringify(other));
  }
  const sealed = item({ contact: 'key-1.mac-1.x', idempotencyKey: 'k3' });
  keys.add(sealed, answer);
  t.equal(keys.find({ ...sealed, contact: 'key-1.mac-1.y' }), answer, 'sealed twice');
  t.equal(keys.find({ ...sealed, contact: 'key-1.mac-2.x' }), undefined);
  resolve({ outcome: 'sale_closed' });
  await answer;
  await new Promise((turn) => setImmediate(turn));
  t.equal(keys.find(item()), undefined, 'stock knows it now');
});

await t.test('a repeat does not replace the first', async (t) => {
  const keys = new KeysUnderWay();
  const first = new Promise<BuyerAnswer>(() => undefined);
  keys.add(item(), first);
  keys.add(item(), Promise.resolve({ outcome: 'sale_closed' }));
  await new Promise((turn) => setImmediate(turn));
  t.equal(keys.find(item()), first);
});
