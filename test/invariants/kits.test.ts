// Goal: a kit sells the units of its parts, from reading to return, and has none of its own.
// Method: the real system; buyers and operators call over HTTP, and the audit of the service judges.
import t from 'tap';
import { actingAs, buildStack, createSale, oneItem, saleInput, until } from '../support/stack.ts';

const client = await buildStack(t, 'kits');
const operator = await client.token('operator', true);
const buyer = await client.token('kit-buyer');
const price = { amount: 500, currency: 'CNY' };
const items = [
  { ...oneItem(10), sku: 'apple' },
  { ...oneItem(4), sku: 'pear' },
  {
    sku: 'basket',
    title: 'Basket',
    price,
    components: [
      { sku: 'apple', quantity: 2 },
      { sku: 'pear', quantity: 1 },
    ],
  },
];
let requests = 0;

const read = async (saleId: string) => (await client.send({ path: `/v1/sales/${saleId}` })).body;
const order = (saleId: string, lines: object[]) =>
  client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: buyer,
    key: `kit-${(requests += 1)}`,
    body: { lines },
  });
const act = actingAs(client, operator);
const untilRead = (saleId: string, wanted: object[]) =>
  until(`${saleId}: ${JSON.stringify(wanted)}`, async () => {
    const shown = (await read(saleId))['items'] as Record<string, unknown>[];
    return wanted.every((item, index) =>
      Object.entries(item).every(([name, value]) => shown[index]?.[name] === value),
    );
  });

await t.test('a kit takes the units of its parts, and its return gives them back', async (t) => {
  const saleId = 'kits';
  await createSale(client, saleId, { items });
  const [, , basket] = (await read(saleId))['items'] as Record<string, unknown>[];
  t.match(basket, { sku: 'basket', price, components: items[2]?.components, available: 4, soldOut: 'no' });
  t.match(basket, { total: 4, held: 0, paid: 0 });
  const lines = [
    { sku: 'basket', quantity: 3 },
    { sku: 'apple', quantity: 1 },
  ];
  const reserved = await order(saleId, lines);
  t.match(reserved, { status: 201, body: { lines, amount: { amount: 1_600 } } }, 'as it was bought');
  await untilRead(saleId, [
    { available: 3, held: 7 },
    { available: 1, held: 3 },
    { available: 1, held: 3, paid: 0 },
  ]);
  const short = { code: 'sold_out', sku: 'basket', available: 1, retryable: true, final: false };
  t.match(await order(saleId, [{ sku: 'basket', quantity: 2 }]), { status: 409, body: short });
  const mixed = [
    { sku: 'apple', quantity: 2 },
    { sku: 'basket', quantity: 1 },
  ];
  t.match(
    await order(saleId, mixed),
    { status: 409, body: { sku: 'basket', available: 0, lines: [{ sku: 'basket', available: 0 }] } },
    'lines of one request do not share units',
  );
  const path = `/v1/orders/${String(reserved.body['id'])}`;
  await until('the order is paid', async () => {
    const { status } = await client.send({ method: 'POST', path: `${path}/pay`, token: buyer });
    return status === 200;
  });
  t.match((await client.send({ path, token: buyer })).body, {
    status: 'paid',
    lines,
    amount: { amount: 1_600 },
  });
  const list = { path: `/v1/sales/${saleId}/orders?sku=basket`, token: operator };
  t.match((await client.send(list)).body, { data: [{ lines }] });
  const back = (sku: string, quantity: number, restock: boolean, key: string) =>
    act(`${path}/returns`, { lines: [{ sku, quantity }], restock }, key);
  t.match(await back('pear', 1, true, 'part'), { status: 409, body: { code: 'nothing_to_return', left: 0 } });
  t.match(await back('apple', 2, true, 'more'), { status: 409, body: { left: 1 } });
  t.match(await back('basket', 2, true, 'two'), {
    status: 200,
    body: { refundDue: { amount: 1_000 }, returned: [{ sku: 'basket', quantity: 2, restocked: true }] },
  });
  await untilRead(saleId, [{ available: 7, paid: 3 }, { available: 3, paid: 1 }, { available: 3 }]);
  t.equal((await back('basket', 1, false, 'rotten')).status, 200);
  t.equal((await back('apple', 1, true, 'apple')).status, 200);
  t.match(await back('basket', 1, true, 'again'), { status: 409, body: { left: 0 } });
  await untilRead(saleId, [{ available: 8, paid: 2 }, { available: 3, paid: 1 }, { available: 3 }]);
  const { body: report } = await client.send({ path: `/v1/sales/${saleId}/report`, token: operator });
  t.match(report, {
    totals: { units: { paid: 10 }, returned: 10, restocked: 7, amountPaid: { amount: 1_600 } },
    items: [
      { sku: 'apple', units: { paid: 7 }, amountPaid: { amount: 100 }, returned: 7 },
      { sku: 'pear', units: { paid: 3 }, amountPaid: { amount: 0 }, returned: 3 },
      { sku: 'basket', units: { paid: 0 }, amountPaid: { amount: 1_500 }, amountReturned: { amount: 1_500 } },
    ],
  });
  await until('the audit holds', async () => {
    const { body } = await client.send({ path: `/v1/sales/${saleId}/audit`, token: operator });
    return body['verdict'] === 'holds';
  });
});

await t.test('a part stops its kit, and what a kit has not is refused', async (t) => {
  const saleId = 'kits-steered';
  await createSale(client, saleId, { items, limitPerBuyer: 6 });
  const path = `/v1/sales/${saleId}/items`;
  for (const [verb, quantity] of [
    ['restock', 1],
    ['adjust', -1],
  ] as const) {
    t.match(await act(`${path}/basket/${verb}`, { quantity }, verb), {
      status: 400,
      body: { code: 'invalid_request', field: 'sku' },
    });
  }
  t.equal((await act(`${path}/pear/pause`)).status, 200);
  t.match((await read(saleId))['items'], [{}, { paused: true }, { sku: 'basket', paused: true }]);
  const one = [{ sku: 'basket', quantity: 1 }];
  t.match(await order(saleId, one), { status: 409, body: { code: 'item_paused', sku: 'basket' } });
  t.equal((await act(`${path}/pear/resume`)).status, 200);
  t.equal((await act(`${path}/basket/pause`)).status, 200);
  t.match(await order(saleId, one), { status: 409, body: { code: 'item_paused', sku: 'basket' } });
  t.equal((await order(saleId, [{ sku: 'pear', quantity: 1 }])).status, 201, 'its parts sell by themselves');
  t.equal((await act(`${path}/basket/resume`)).status, 200);
  t.equal((await order(saleId, one)).status, 201);
  t.match(
    await order(saleId, one),
    { body: { code: 'limit_reached', limit: 6, held: 4 } },
    'in units of parts',
  );
});

await t.test('what is no kit is refused when the sale is created', async (t) => {
  const part = (sku: string) => ({ ...oneItem(1), sku });
  const kit = (sku: string, ...parts: string[]) => ({
    sku,
    title: sku,
    price,
    components: parts.map((one) => ({ sku: one, quantity: 1 })),
  });
  const cases: [string, object[]][] = [
    ['items.0.total', [{ sku: 'a', title: 'A', price }]],
    ['items.1.total', [part('a'), { ...kit('k', 'a'), total: 1 }]],
    ['items.1.limitPerBuyer', [part('a'), { ...kit('k', 'a'), limitPerBuyer: 1 }]],
    ['items.1.components.0.sku', [part('a'), kit('k', 'b')]],
    ['items.1.components.1.sku', [part('a'), kit('k', 'a', 'a')]],
    ['items.2.components.0.sku', [part('a'), kit('k', 'a'), kit('kk', 'k')]],
    ['items.0.components.0.sku', [kit('k', 'k')]],
    ['items.1.components', [part('a'), kit('k')]],
    [
      'items.1.components.0.quantity',
      [
        { ...part('a'), limitPerBuyer: 1 },
        { ...kit('k'), components: [{ sku: 'a', quantity: 2 }] },
      ],
    ],
  ];
  for (const [field, wrong] of cases) {
    const body = saleInput('kits-refused', { items: wrong });
    const answer = await client.send({ method: 'POST', path: '/v1/sales', token: operator, body });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, field);
  }
});

await t.test('a gateway that remembers "sold out" sells a kit again when its part comes back', async (t) => {
  const saleId = 'kits-back';
  await createSale(client, saleId, {
    items: [{ ...oneItem(2), sku: 'apple' }, { ...oneItem(1), sku: 'pear' }, items[2]],
  });
  const first = await order(saleId, [{ sku: 'basket', quantity: 1 }]);
  t.equal(first.status, 201);
  const ask = (sku: string) => order(saleId, [{ sku, quantity: 1 }]);
  const heard = { status: 409, body: { code: 'sold_out', retryable: true, final: false, available: 0 } };
  for (let turn = 0; turn < 10; turn += 1) {
    t.match(await ask('basket'), heard);
    t.match(await ask('apple'), heard);
  }
  const path = `/v1/orders/${String(first.body['id'])}/cancel`;
  await until(
    'it is cancelled',
    async () => (await client.send({ method: 'POST', path, token: buyer })).status === 200,
  );
  await until('a kit can be had again', async () => (await ask('basket')).status === 201);
});

await t.test('a kit of a failed group purchase comes back as its parts, and its price is due', async (t) => {
  const saleId = 'kits-group';
  await createSale(client, saleId, { items, groupMinimum: 10 });
  const path = `/v1/orders/${String((await order(saleId, [{ sku: 'basket', quantity: 2 }])).body['id'])}`;
  await until('the order is paid', async () => {
    const { status } = await client.send({ method: 'POST', path: `${path}/pay`, token: buyer });
    return status === 200;
  });
  const one = { lines: [{ sku: 'basket', quantity: 1 }], restock: true };
  t.equal((await act(`${path}/returns`, one, 'one')).status, 200);
  t.equal((await act(`/v1/sales/${saleId}/close`)).status, 200);
  await until('the rest came back', async () => {
    const { body } = await client.send({ path, token: buyer });
    return (body['returned'] as object[]).length === 2;
  });
  const back = { sku: 'basket', quantity: 1, restocked: true };
  t.match((await client.send({ path, token: buyer })).body, {
    group: 'failed',
    returned: [back, back],
    refundDue: { amount: 1_000 },
  });
  await untilRead(saleId, [
    { available: 10, paid: 0 },
    { available: 4, paid: 0 },
  ]);
});
