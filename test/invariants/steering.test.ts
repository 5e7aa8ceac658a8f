// Goal: what an operator changes of an open sale holds for the next buyer, through the whole system.
// Method: the real system; PATCH and the audit trail as an operator calls them, reservations as buyers do.
import t from 'tap';
import { buildStack, createSale, oneItem, saleInput, until } from '../support/stack.ts';

const client = await buildStack(t, 'steering');

await t.test(
  'a changed hold, limit and cap hold for the next buyer; the trail tells who and why',
  async (t) => {
    const saleId = 'patched';
    const channel = { id: 'x', kind: 'store', title: 'X', cap: 9 };
    await createSale(client, saleId, { items: [oneItem(50)], limitPerBuyer: 5, channels: [channel] });
    const operator = await client.token('operator', true);
    const path = `/v1/sales/${saleId}`;
    const reserve = async (user: string, quantity: number, channelId?: string) =>
      client.send({
        method: 'POST',
        path: `${path}/reservations`,
        token: await client.token(user),
        key: `${user}-${quantity}-${channelId ?? ''}`,
        body: { lines: [{ sku: 'a', quantity }], ...(channelId === undefined ? {} : { channelId }) },
      });
    t.equal((await reserve('u1', 4)).status, 201);
    const patch = (body: object, headers: Record<string, string> = {}) =>
      client.send({ method: 'PATCH', path, token: operator, body, headers });
    const wanted = { holdSeconds: 60, limitPerBuyer: 2, channels: [{ ...channel, cap: 1 }] };
    const changed = await patch({ ...wanted, reason: 'few are left' }, { 'if-match': '"1"' });
    t.match(changed, { status: 200, body: { version: 2, limitPerBuyer: 2, holdSeconds: 60 } });
    t.match(await patch({ title: 'x' }, { 'if-match': '"1"' }), { status: 412 });
    t.match(await reserve('u2', 3), { status: 409, body: { code: 'limit_reached', limit: 2 } });
    t.match(await reserve('u2', 2, 'x'), { status: 409, body: { code: 'channel_full', cap: 1 } });
    const { status, body } = await reserve('u2', 1, 'x');
    t.equal(status, 201);
    t.equal(Date.parse(String(body['expiresAt'])) - Date.parse(String(body['reservedAt'])), 60_000);
    t.match(await patch({ opensAt: '2098-01-01T00:00:00Z' }), {
      status: 409,
      body: { code: 'not_changeable', field: 'opensAt' },
    });
    const pause = {
      method: 'POST',
      path: `${path}/pause`,
      token: operator,
      body: { reason: 'rain' },
    } as const;
    t.equal((await client.send(pause)).status, 200);
    t.match(await reserve('u3', 1), { status: 409, body: { code: 'sale_paused' } });
    const trail = await client.send({ path: `${path}/changes`, token: operator });
    t.match(trail.body, {
      data: [
        { by: 'operator', action: 'pause', reason: 'rain', version: 3 },
        {
          by: 'operator',
          action: 'change',
          reason: 'few are left',
          before: { limitPerBuyer: 5 },
          version: 2,
        },
        { by: 'operator', action: 'create', version: 1 },
      ],
    });
    const stranger = await client.token('u1');
    t.equal((await client.send({ path: `${path}/changes`, token: stranger })).status, 403);
    t.equal((await client.send({ method: 'PATCH', path, token: stranger, body: {} })).status, 403);
  },
);

await t.test('of two operators who change one version at once, one does', async (t) => {
  const saleId = 'two-operators';
  await createSale(client, saleId);
  const path = `/v1/sales/${saleId}`;
  const token = await client.token('operator', true);
  for (let round = 0; round < 10; round += 1) {
    const before = await client.send({ path, token });
    const headers = { 'if-match': `"${String(before.body['version'])}"` };
    const change = async (title: string) =>
      client.send({ method: 'PATCH', path, token, headers, body: { title } });
    const answers = await Promise.all([change(`left ${round}`), change(`right ${round}`)]);
    t.same(answers.map(({ status }) => status).sort(), [200, 412], `round ${round}`);
    const won = answers.find(({ status }) => status === 200)?.body['title'];
    t.equal((await client.send({ path, token })).body['title'], won, 'and the sale is as that one was told');
  }
  const { body } = await client.send({ path: `${path}/changes?limit=100`, token });
  t.equal((body['data'] as unknown[]).length, 11, 'each change is in the trail once, with the creation');
});

await t.test('a paused item is refused at once, the other item goes on, and it sells again', async (t) => {
  const saleId = 'item-paused';
  await createSale(client, saleId, { items: [oneItem(1), { ...oneItem(5), sku: 'b' }] });
  const operator = await client.token('operator', true);
  const buyer = await client.token('u1');
  const path = `/v1/sales/${saleId}`;
  const reserve = (key: string, ...skus: string[]) => {
    const lines = skus.map((sku) => ({ sku, quantity: 1 }));
    return client.send({ method: 'POST', path: `${path}/reservations`, token: buyer, key, body: { lines } });
  };
  const act = (verb: string, token = operator) =>
    client.send({ method: 'POST', path: `${path}/items/b/${verb}`, token });
  t.equal((await act('pause', buyer)).status, 403);
  const { status, body } = await act('pause');
  t.equal(status, 200);
  const [, shown] = body['items'] as object[];
  t.match(shown, { sku: 'b', paused: true, available: 5, soldOut: 'no' });
  t.equal((await reserve('last', 'a')).status, 201);
  // Stock answers first, and the gateway's memory soon after.
  for (let repeat = 0; repeat < 20; repeat += 1) {
    const answer = await reserve(`both-${repeat}`, 'a', 'b');
    t.match((answer.body['lines'] as object[]).at(-1), { sku: 'b', code: 'item_paused', available: 5 });
    t.match(answer, {
      status: 409,
      headers: { 'retry-after': '5' },
      body: {
        code: 'item_paused',
        retryable: true,
        sku: 'b',
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const read = await client.send({ path });
  t.match((read.body['items'] as object[])[1], { paused: true }, 'every buyer sees it');
  t.equal((await act('resume')).status, 200);
  // For a second a gateway may tell what was true before.
  await until('the item sells again', async () => (await reserve('again', 'b')).status === 201, 2_000);
  const { body: last } = await client.send({ path });
  t.notOk((last['items'] as object[]).some((item) => 'paused' in item));
});

await t.test(
  'an item is lowered while buyers race for it: nobody loses a unit, both sides agree',
  async (t) => {
    const saleId = 'lowered-in-a-race';
    await createSale(client, saleId, { items: [oneItem(300)] });
    const operator = await client.token('operator', true);
    const path = `/v1/sales/${saleId}`;
    const adjust = async (key: string, quantity: number) => {
      for (;;) {
        const answer = await client.send({
          method: 'POST',
          path: `${path}/items/a/adjust`,
          token: operator,
          key,
          body: { quantity, reason: 'spoilt' },
        });
        if (answer.status !== 503) return answer;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const buyers = Array.from({ length: 400 }, async (_, index) => {
      const token = await client.token(`racer-${index}`);
      const body = { lines: [{ sku: 'a', quantity: 1 }] };
      return client.send({ method: 'POST', path: `${path}/reservations`, token, key: 'k', body });
    });
    const lowered = await Promise.all(['a', 'b', 'c'].map((key) => adjust(key, -40)));
    const sold = (await Promise.all(buyers)).filter(({ status }) => status === 201).length;
    const last = await adjust('d', -400);
    t.same(
      lowered.map(({ status }) => status),
      [200, 200, 200],
    );
    const taken = [...lowered, last].reduce((sum, { body }) => sum - Number(body['adjusted']), 0);
    t.equal(taken + sold, 300, 'each unit was sold, or taken out');
    const [item] = (last.body['sale'] as { items: object[] }).items;
    t.match(item, { total: sold, available: 0, held: sold, paid: 0, soldOut: 'held' });
    t.match(
      (await adjust('a', -40)).body,
      { adjusted: lowered[0]?.body['adjusted'] },
      'a repeat tells the same',
    );
    t.match(await adjust('up', 5), { status: 400, body: { code: 'invalid_request', field: 'quantity' } });
    const token = await client.token('racer-0');
    t.equal(
      (
        await client.send({
          method: 'POST',
          path: `${path}/items/a/adjust`,
          token,
          key: 'x',
          body: { quantity: -1 },
        })
      ).status,
      403,
    );
    let audit: Record<string, unknown> = {};
    await until('both sides agree', async () => {
      audit = (await client.send({ path: `${path}/audit`, token: operator })).body;
      return audit['verdict'] !== 'in_flight';
    });
    t.match(audit, {
      verdict: 'holds',
      postgres: [{ sku: 'a', total: sold }],
      redis: [{ sku: 'a', total: sold }],
    });
  },
);

await t.test('an item has a limit per buyer of its own, from hold to return', async (t) => {
  const saleId = 'own-limit';
  const scarce = { ...oneItem(60), limitPerBuyer: 2 };
  const plain = { ...oneItem(60), sku: 'b' };
  const token = await client.token('operator', true);
  const wrong = saleInput('own-limit-of-none', { items: [{ ...scarce, minQuantity: 3 }] });
  t.match(await client.send({ method: 'POST', path: '/v1/sales', token, body: wrong }), {
    status: 400,
    body: { field: 'items.0.limitPerBuyer' },
  });
  await createSale(client, saleId, { items: [scarce, plain], limitPerBuyer: 9 });
  const path = `/v1/sales/${saleId}`;
  t.match((await client.send({ path })).body, { items: [{ sku: 'a', limitPerBuyer: 2 }, { sku: 'b' }] });
  const buyer = await client.token('u1');
  let requests = 0;
  const reserve = (a: number, b: number) =>
    client.send({
      method: 'POST',
      path: `${path}/reservations`,
      token: buyer,
      key: `k${(requests += 1)}`,
      body: { lines: [{ sku: 'a', quantity: a }, ...(b > 0 ? [{ sku: 'b', quantity: b }] : [])] },
    });
  const reached = {
    status: 409,
    body: { code: 'limit_reached', sku: 'a', limit: 2, held: 0, retryable: false },
  };
  t.match(await reserve(3, 0), reached);
  const first = await reserve(2, 3);
  t.equal(first.status, 201);
  t.match(await reserve(1, 1), {
    status: 409,
    body: { code: 'limit_reached', sku: 'a', limit: 2, held: 2, retryable: true },
  });
  t.notMatch((await reserve(1, 8)).body, { sku: 'a' }, "the sale's limit comes first");
  /** Until the order is stored and the units are counted no more. */
  const succeeds = (what: string, status: number, call: () => Promise<{ status: number; body: object }>) => {
    let body: object = {};
    return until(what, async () => {
      const answer = await call();
      body = answer.body;
      return answer.status === status;
    }).then(() => body as { id: string });
  };
  const post = (id: string, verb: string) =>
    client.send({ method: 'POST', path: `/v1/orders/${id}/${verb}`, token: buyer });
  const firstId = (first.body as { id: string }).id;
  await succeeds('the order is cancelled', 200, () => post(firstId, 'cancel'));
  const { id } = await succeeds('a cancelled hold counts no more', 201, () => reserve(2, 0));
  await succeeds('the order is paid', 200, () => post(id, 'pay'));
  const back = { lines: [{ sku: 'a', quantity: 1 }], restock: false };
  const give = { method: 'POST', path: `/v1/orders/${id}/returns`, token, key: 'back', body: back } as const;
  t.equal((await client.send(give)).status, 200);
  await succeeds('what was written off counts no more', 201, () => reserve(1, 0));
  t.match(await reserve(1, 0), { body: { code: 'limit_reached', sku: 'a', held: 2 } });
});

await t.test('crates of six: other quantities are refused with what is sold', async (t) => {
  const saleId = 'crates';
  const wrong = saleInput('crates-of-none', { items: [{ ...oneItem(60), minQuantity: 4, step: 6 }] });
  const token = await client.token('operator', true);
  t.match(await client.send({ method: 'POST', path: '/v1/sales', token, body: wrong }), {
    status: 400,
    body: { field: 'items.0.minQuantity' },
  });
  await createSale(client, saleId, { items: [{ ...oneItem(60), minQuantity: 12, step: 6 }] });
  const path = `/v1/sales/${saleId}`;
  t.match((await client.send({ path })).body, { items: [{ minQuantity: 12, step: 6 }] });
  const buyer = await client.token('u1');
  const reserve = (quantity: number) =>
    client.send({
      method: 'POST',
      path: `${path}/reservations`,
      token: buyer,
      key: `k${quantity}`,
      body: { lines: [{ sku: 'a', quantity }] },
    });
  t.match(await reserve(6), {
    status: 400,
    body: {
      code: 'quantity_not_allowed',
      retryable: false,
      minimum: 12,
      step: 6,
      lines: [{ sku: 'a', code: 'quantity_not_allowed', available: 60 }],
    },
  });
  t.equal((await reserve(13)).status, 400);
  t.equal((await reserve(18)).status, 201);
});
