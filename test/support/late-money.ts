/** Money that comes after its hold has expired, in a sale that lets it take the units again. */
import type { Test } from 'tap';
import { openSale } from './aftermath.ts';
import { pay } from './notices.ts';
import { itemOf, until, untilRows, type Client } from './stack.ts';

const LATE_UNITS = 12;

/** Holds of a second expire, one unit is sold meanwhile, and then the money of all of them comes twice. */
export async function takeAgain(
  t: Test,
  client: Client,
  { saleId, fault }: { saleId: string; fault: () => Promise<unknown> },
): Promise<void> {
  const items = [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: LATE_UNITS }];
  await openSale(client, saleId, { holdSeconds: 1, lateMoney: 'retake', items });
  const orders = new Map<string, string>();
  const take = async (userId: string): Promise<string> => {
    const body = { lines: [{ sku: 'a', quantity: 1 }] };
    const path = `/v1/sales/${saleId}/reservations`;
    const token = await client.token(userId);
    const answer = await client.send({ method: 'POST', path, token, key: userId, body });
    t.equal(answer.status, 201, answer.text);
    return String(answer.body['id']);
  };
  for (let buyer = 0; buyer < LATE_UNITS; buyer += 1) orders.set(`u${buyer}`, await take(`u${buyer}`));
  await untilRows(client, saleId, LATE_UNITS);
  await until('all have expired', async () => (await itemOf(client, saleId))['available'] === LATE_UNITS);
  // A busy machine may store the row after its hold of a second has ended: then another buyer tries.
  const isSold = async (buyer: string): Promise<boolean> => {
    const path = `/v1/orders/${await take(buyer)}/pay`;
    const token = await client.token(buyer);
    let answer = await client.send({ method: 'POST', path, token });
    await until(`${buyer} hears`, async () => {
      if (answer.status !== 503) return true;
      answer = await client.send({ method: 'POST', path, token });
      return false;
    });
    return answer.status === 200;
  };
  let others = 0;
  await until('one unit is sold', () => isSold(`other-${(others += 1)}`), 60_000);
  const ids = [...orders.values()];
  const notices = Promise.all([...ids, ...ids].map((id) => pay(client, { orderId: id })));
  await fault();
  await notices;
  let fates: string[] = [];
  await until(
    'all money is decided',
    async () => {
      fates = await Promise.all(
        [...orders].map(async ([user, id]) => {
          const { body } = await client.send({ path: `/v1/orders/${id}`, token: await client.token(user) });
          return body['refundDue'] === undefined ? String(body['status']) : 'refund';
        }),
      );
      return fates.every((fate) => fate === 'paid' || fate === 'refund');
    },
    60_000,
  );
  const paid = fates.filter((fate) => fate === 'paid').length;
  t.comment(`${paid} of ${LATE_UNITS} paid late`);
  t.ok(paid > 0 && paid < LATE_UNITS, `INV-1: ${paid} beside the one that was sold`);
  let audit: Record<string, unknown> = {};
  await until(
    'the audit has seen both sides at rest',
    async () => {
      audit = (
        await client.send({ path: `/v1/sales/${saleId}/audit`, token: await client.token('operator', true) })
      ).body;
      return audit['verdict'] === 'holds' || audit['verdict'] === 'broken';
    },
    60_000,
  );
  t.equal(audit['verdict'], 'holds', JSON.stringify(audit['findings']));
  t.match(await itemOf(client, saleId), { paid: paid + 1, held: 0, available: LATE_UNITS - paid - 1 });
}
