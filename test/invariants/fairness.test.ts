// Goal: a unit that comes back prefers nobody: accounts that held one before and gave it back win as often as
// newcomers with as many requests.
// Method: the whole system and one unit that goes round. In each round its holder cancels while both groups
// ask for it, in mixed order, with equal numbers of requests and a new key each.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const ROUNDS = 40;
const GROUP_SIZE = 8;
/** The bound is four standard deviations of a fair coin. One run in sixteen thousand fails by chance. */
const TOLERANCE = 4 * Math.sqrt(ROUNDS / 4);

const client = await buildStack(t, 'fairness');

type Group = 'holders' | 'newcomers';
interface Account {
  group: Group;
  token: string;
}
interface Won extends Account {
  orderId: string;
}

async function makeAccount(group: Group): Promise<Account> {
  return { group, token: await client.token(`user-${randomUUID()}`) };
}

async function ask(saleId: string, account: Account): Promise<Won | undefined> {
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: account.token,
    key: randomUUID(),
    body: { lines: [{ sku: 'a', quantity: 1 }] },
  });
  if (answer.status === 201) return { ...account, orderId: String(answer.body['id']) };
  // A busy machine may also say `outcome_unknown` or `sale_unavailable`, to both groups alike.
  if (answer.body['retryable'] !== true) throw new Error(`${answer.status} ${answer.text}`);
  return undefined;
}

/** Has all of them ask at once, again and again, until one has the unit. */
async function compete(saleId: string, accounts: Account[]): Promise<Won> {
  let won: Won | undefined;
  await until('somebody has the unit', async () => {
    const mixed = accounts
      .map((account) => ({ account, place: Math.random() }))
      .sort((left, right) => left.place - right.place);
    const answers = await Promise.all(mixed.map(({ account }) => ask(saleId, account)));
    won = answers.find((answer) => answer !== undefined);
    return won !== undefined;
  });
  if (won === undefined) throw new Error('never happens: until says so');
  return won;
}

async function cancel({ orderId, token }: Won): Promise<void> {
  await until('the order is cancelled', async () => {
    return (
      (await client.send({ method: 'POST', path: `/v1/orders/${orderId}/cancel`, token })).status === 200
    );
  });
}

await t.test('a unit that comes back goes to former holders and newcomers alike', async (t) => {
  const saleId = 'fair';
  await createSale(client, saleId, { items: [oneItem(1)], limitPerBuyer: 1 });
  const holders: Account[] = [];
  for (let count = 0; count < GROUP_SIZE; count += 1) {
    const held = await compete(saleId, [await makeAccount('holders')]);
    await cancel(held);
    holders.push(held);
  }
  const newcomers = await Promise.all(Array.from({ length: GROUP_SIZE }, () => makeAccount('newcomers')));
  const wins = { holders: 0, newcomers: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const won = await compete(saleId, [...holders, ...newcomers]);
    wins[won.group] += 1;
    // A buyer who has held the unit is no newcomer any more.
    const place = newcomers.findIndex(({ token }) => token === won.token);
    if (place !== -1) newcomers[place] = await makeAccount('newcomers');
    await cancel(won);
  }
  t.comment(`former holders won ${wins.holders} of ${ROUNDS}`);
  t.ok(Math.abs(wins.holders - ROUNDS / 2) <= TOLERANCE, `${wins.holders}:${wins.newcomers}`);
});
