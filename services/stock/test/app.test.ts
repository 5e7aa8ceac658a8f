// Goal: the internal HTTP API: who may call, what is refused, and answers in the order of the batch.
// Method: the assembled app on a real Redis; order's two calls over real HTTP.
import { randomBytes } from 'node:crypto';
import { LIMITS, type Reservation, type ReserveAnswer } from '@seckill/contracts';
import t from 'tap';
import { keyHashOf } from '../src/redis/reservation-id.ts';
import { laneKeys } from '../src/redis/keys.ts';
import { createSettle } from '../src/settler/settlements.ts';
import { build, item } from './support/build.ts';

function reservationOf(answer: ReserveAnswer | undefined): Reservation {
  if (answer?.outcome !== 'reserved') throw new Error(`not reserved: ${JSON.stringify(answer)}`);
  return answer.reservation;
}

const { addSale, hand, send, reserve, connection, connections, order } = await build(t);
const sale = addSale();
t.same(await hand(sale), {
  saleId: sale.saleId,
  version: 1,
  epoch: 1,
});

await t.test('each route takes its own callers and no one else', async (t) => {
  const { saleId } = sale;
  const hold = `/internal/holds/${saleId}.0.aaaaaaaaaaaaaaaaaaaaaa`;
  const routes = [
    ['POST', '/internal/reservations', [item(saleId)], ['gateway']],
    ['GET', hold, undefined, ['gateway', 'order']],
    ['GET', `/internal/sales/${saleId}/state`, undefined, ['gateway', 'order']],
    ['PUT', `/internal/sales/${saleId}`, sale, ['order']],
    ['GET', '/internal/clock', undefined, ['order']],
  ] as const;
  const before = await connection.redis.hgetall(laneKeys({ saleId, lane: 0 }).state);
  for (const [method, path, body, allowed] of routes) {
    for (const as of ['nobody', 'stock', 'gateway', 'order'] as const) {
      if ((allowed as readonly string[]).includes(as)) continue;
      const answer = await send(method, path, { as, ...(body === undefined ? {} : { body }) });
      t.equal(answer.status, as === 'nobody' ? 401 : 403, `${method} ${path} as ${as}`);
    }
  }
  t.same(await connection.redis.hgetall(laneKeys({ saleId, lane: 0 }).state), before);
});

await t.test('answers stand in the order of the batch, and sales are kept apart', async (t) => {
  const other = addSale({ limitPerBuyer: 1 });
  await hand(other);
  const answers = await reserve(
    item(sale.saleId, { userId: 'u1', lines: [{ sku: 'a', quantity: 2 }] }),
    item(other.saleId, { userId: 'u1' }),
    item('no-such-sale'),
    item(sale.saleId, { userId: 'u2', lines: [{ sku: 'a', quantity: 2 }] }),
    item(other.saleId, { userId: 'u1' }),
    item(sale.saleId, { userId: 'u3', channelId: 'nowhere' }),
    item(sale.saleId, { userId: 'u3', lines: [{ sku: 'zz', quantity: 1 }] }),
  );
  t.match(answers, [
    { outcome: 'reserved', replayed: false, reservation: { saleId: sale.saleId } },
    { outcome: 'reserved', reservation: { saleId: other.saleId } },
    { outcome: 'sale_unavailable', missing: true },
    { outcome: 'sold_out', sku: 'a', available: 1, final: false },
    { outcome: 'limit_reached', limit: 1, held: 1 },
    { outcome: 'channel_not_found' },
    { outcome: 'sku_not_found', sku: 'zz' },
  ]);
});

await t.test('a full batch of 256 items is answered whole', async (t) => {
  const items = Array.from({ length: LIMITS.reserveBatchMax }, (_, index) =>
    item(sale.saleId, { userId: `batch-${index}`, lines: [{ sku: 'b', quantity: 1 }] }),
  );
  const answers = await reserve(...items);
  t.same(
    answers.map((answer) => reservationOf(answer).userId),
    items.map(({ userId }) => userId),
  );
  const randoms = answers.map((answer) => reservationOf(answer).id.split('.')[2]?.slice(0, 16));
  t.equal(new Set(randoms).size, items.length, "nobody can tell an id from a neighbour's");
});

await t.test('the last units of a lane go in the order of the batch, across its calls', async (t) => {
  const scarce = addSale({ items: [{ sku: 'a', price: 1, total: 70 }] });
  await hand(scarce);
  const items = Array.from({ length: 100 }, (_, index) =>
    item(scarce.saleId, { userId: `scarce-${index}`, lines: [{ sku: 'a', quantity: 1 }] }),
  );
  const others = items.map((_item, index) =>
    item(sale.saleId, { userId: `other-${index}`, lines: [{ sku: 'b', quantity: 1 }] }),
  );
  // The first buyer asks again, behind the border of 64.
  const batch = [
    ...items.flatMap((one, index) => [one, others[index] ?? one]),
    items[0] ?? item(sale.saleId),
  ];
  const answers = await reserve(...batch);
  t.same(
    answers.filter((_answer, index) => index % 2 === 0).map(({ outcome }) => outcome),
    [...Array<string>(70).fill('reserved'), ...Array<string>(30).fill('sold_out'), 'reserved'],
  );
  t.match(answers.at(-1), { replayed: true });
  for (const [index, answer] of answers.slice(0, 140).entries()) {
    t.equal(reservationOf(answer).userId, batch[index]?.userId, 'each hears of its own');
  }
});

await t.test(
  'a repeat gets the same bytes; the order of the lines does not matter, everything else does',
  async (t) => {
    const lines = [
      { sku: 'b', quantity: 1 },
      { sku: 'B', quantity: 2 },
    ];
    const sorted = addSale({
      items: [
        { sku: 'b', price: 10, total: 10 },
        { sku: 'B', price: 7, total: 10 },
      ],
      channels: [{ id: 'x' }],
    });
    await hand(sorted);
    const request = item(sorted.saleId, { lines, channelId: 'x', ref: 'note-“8812”' });
    const [first] = await reserve(request);
    const reservation = reservationOf(first);
    t.same(reservation.amount, { amount: 24, currency: 'CNY' });
    t.equal(Date.parse(reservation.expiresAt) - Date.parse(reservation.reservedAt), 900_000);
    t.same(
      Object.keys(reservation),
      ['id', 'saleId', 'userId', 'lines', 'channelId', 'ref', 'status', 'amount', 'reservedAt', 'expiresAt'],
      'properties in the order of the contract',
    );
    const [repeat] = await reserve({ ...request, lines: [...lines].reverse() });
    t.equal(JSON.stringify(reservationOf(repeat)), JSON.stringify(reservation), 'INV-4');
    t.match(repeat, { replayed: true });
    const { ref: _ref, ...withoutRef } = request;
    const { channelId: _channelId, ...withoutChannel } = request;
    const others = [
      { ...request, lines: lines.slice(0, 1) },
      {
        ...request,
        lines: [
          { sku: 'b', quantity: 2 },
          { sku: 'B', quantity: 2 },
        ],
      },
      { ...request, ref: 'x' },
      { ...request, metadata: {} },
      withoutRef,
      withoutChannel,
    ];
    t.same(
      await reserve(...others),
      others.map(() => ({ outcome: 'key_reused' })),
    );
  },
);

await t.test(
  'a contact is known again by what the gateway says of it, and told beside the hold only',
  async (t) => {
    const kept = addSale();
    await hand(kept);
    const mac = (letter: string, keyId = 'old-key-') => `${keyId}.${letter.repeat(22)}`;
    const sealed = (letter: string, keyId?: string) =>
      `${mac(letter, keyId)}.${randomBytes(60).toString('base64url')}`;
    const contact = sealed('m');
    const request = item(kept.saleId, { metadata: { a: 1 }, contact });
    const [first] = await reserve(request);
    const reservation = reservationOf(first);
    t.notMatch(JSON.stringify(first), /contact|old-key-/, 'the 201 has it not');
    const { contact: _contact, ...without } = request;
    const moved = { contact: sealed('n', 'new-key-'), contactMacs: [mac('m')] };
    for (const repeat of [request, { ...request, contact: sealed('m') }, { ...request, ...moved }]) {
      const [again] = await reserve(repeat);
      t.match(again, { replayed: true });
      t.strictSame(reservationOf(again), reservation, 'INV-4');
    }
    const others = [
      without,
      { ...request, contact: sealed('x') },
      { ...request, contact: sealed('m', 'new-key-') },
      { ...request, ...moved, contactMacs: [mac('x')] },
    ];
    t.same(
      await reserve(...others),
      others.map(() => ({ outcome: 'key_reused' })),
    );
    const bare = item(kept.saleId, { userId: 'bare' });
    await reserve(bare);
    t.match(await reserve({ ...bare, contact }), [{ outcome: 'key_reused' }]);

    const path = `/internal/holds/${reservation.id}`;
    t.strictSame((await send('GET', path)).body, { reservation, userId: request.userId, contact });
    // As it stands once an operator has erased it and the sale was loaded anew.
    const { holds } = laneKeys({ saleId: kept.saleId, lane: 0 });
    const hash = keyHashOf(request.userId, request.idempotencyKey);
    const record = (await connection.redis.hget(holds, hash)) ?? '';
    await connection.redis.hset(holds, hash, record.replace(contact, 'erased'));
    t.strictSame((await send('GET', path)).body, { reservation, userId: request.userId });
    t.match(await reserve({ ...request, contact: sealed('x') }, without), [
      { outcome: 'reserved', replayed: true },
      { outcome: 'key_reused' },
    ]);
  },
);

await t.test('a malformed item is told its field, changes nothing and fails no neighbour', async (t) => {
  const { saleId } = sale;
  const line = { sku: 'b', quantity: 1 };
  const good = (): Record<string, unknown> => ({ ...item(saleId, { userId: 'neighbour', lines: [line] }) });
  const bad: [unknown, string][] = [
    [null, 'item'],
    ['text', 'item'],
    [{ ...good(), quantity: 1 }, 'quantity'],
    [{ ...good(), lines: [] }, 'lines'],
    [{ ...good(), lines: [{ sku: 'b', quantity: 0 }] }, 'lines.0.quantity'],
    [{ ...good(), lines: [{ sku: 'b', quantity: '1' }] }, 'lines.0.quantity'],
    [{ ...good(), lines: [{ sku: 'b', quantity: 1.5 }] }, 'lines.0.quantity'],
    [{ ...good(), lines: [{ sku: 'b', quantity: 101 }] }, 'lines.0.quantity'],
    [{ ...good(), lines: [{ sku: 'a:b', quantity: 1 }] }, 'lines.0.sku'],
    [{ ...good(), lines: [line, line] }, 'lines.1.sku'],
    [{ ...good(), lines: Array.from({ length: 21 }, (_, n) => ({ sku: `s${n}`, quantity: 1 })) }, 'lines'],
    [{ ...good(), userId: 'a b' }, 'userId'],
    [{ ...good(), userId: '' }, 'userId'],
    [{ ...good(), idempotencyKey: 'a\nb' }, 'idempotencyKey'],
    [{ ...good(), ref: 'a\nb' }, 'ref'],
    [{ ...good(), ref: 'a\0' }, 'ref'],
    [{ ...good(), metadata: [] }, 'metadata'],
    [{ ...good(), metadata: 'x' }, 'metadata'],
    [{ ...good(), metadata: { a: 'x'.repeat(2_048) } }, 'metadata'],
    [{ ...good(), contact: { name: 'x' } }, 'contact'],
    [{ ...good(), contact: 'erased' }, 'contact'],
    [{ ...good(), contactMacs: ['x'] }, 'contactMacs.0'],
    [{ ...good(), saleId: 'A:B' }, 'saleId'],
    [{ ...good(), traceparent: 'nonsense' }, 'traceparent'],
  ];
  const { state } = laneKeys({ saleId, lane: 0 });
  const held = async () => Number(await connection.redis.hget(state, 'b:held'));
  const before = await held();
  const batch = bad.flatMap(([one]) => [one, good()]);
  const { body } = await send('POST', '/internal/reservations', { body: batch });
  const answers = body as unknown as ReserveAnswer[];
  t.equal(answers.length, batch.length);
  for (const [index, [one, field]] of bad.entries()) {
    t.same(answers[2 * index], { outcome: 'invalid_request', field }, JSON.stringify(one).slice(0, 200));
    t.match(answers[2 * index + 1], { outcome: 'reserved', replayed: false }, 'its neighbour');
  }
  t.equal(await held(), before + bad.length, 'the neighbours and nobody else');
});

await t.test('an item whose script fails is answered by itself', async (t) => {
  const broken = addSale();
  await hand(broken);
  await connection.redis.hset(laneKeys({ saleId: broken.saleId, lane: 0 }).state, 'a:available', 'many');
  const answers = await reserve(
    item(sale.saleId, { userId: 'first', lines: [{ sku: 'b', quantity: 1 }] }),
    item(broken.saleId),
    item(broken.saleId, { userId: 'same-call', lines: [{ sku: 'b', quantity: 1 }] }),
    item(sale.saleId, { userId: 'last', lines: [{ sku: 'b', quantity: 1 }] }),
  );
  t.match(answers, [
    { outcome: 'reserved' },
    { outcome: 'sale_unavailable', missing: false },
    { outcome: 'reserved' },
    { outcome: 'reserved' },
  ]);
});

await t.test('a body that is no batch, or too large a one, is refused and changes nothing', async (t) => {
  const { saleId } = sale;
  const keys = laneKeys({ saleId, lane: 0 });
  const before = await connection.redis.hgetall(keys.state);
  for (const body of [[], {}, Array.from({ length: LIMITS.reserveBatchMax + 1 }, () => item(saleId))]) {
    const answer = await send('POST', '/internal/reservations', { body });
    t.match(answer, { status: 400, body: { code: 'invalid_request' } }, JSON.stringify(body).slice(0, 200));
  }
  t.same(await connection.redis.hgetall(keys.state), before);
});

await t.test('each item takes its own traceparent into the outbox', async (t) => {
  const traced = addSale();
  await hand(traced);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await reserve(item(traced.saleId, { traceparent }), item(traced.saleId, { userId: 'u2' }));
  const { outbox } = laneKeys({ saleId: traced.saleId, lane: 0 });
  const entries = await connection.redis.xrange(outbox, '-', '+');
  t.equal(entries[0]?.[1].at(-1), traceparent);
  t.notOk(entries[1]?.[1].includes('traceparent'));
});

await t.test('a hold can be read by its reservation id, and by no other', async (t) => {
  const [answer] = await reserve(item(sale.saleId, { userId: 'u:7', lines: [{ sku: 'b', quantity: 3 }] }));
  const reservation = reservationOf(answer);
  const found = await send('GET', `/internal/holds/${reservation.id}`);
  t.same(found, { status: 200, body: { reservation, userId: 'u:7' } });
  const strangers = [
    `${sale.saleId}.0.aaaaaaaaaaaaaaaaaaaaaa`,
    // The hash of the key alone is not enough, because it could be guessed.
    `${sale.saleId}.0.${'a'.repeat(16)}${reservation.id.slice(-22)}`,
    `${sale.saleId}.1.${reservation.id.split('.')[2] ?? ''}`,
    'x',
  ];
  for (const id of strangers) {
    t.match(
      await send('GET', `/internal/holds/${id}`),
      { status: 404, body: { code: 'order_not_found' } },
      id,
    );
  }
});

await t.test('the clock is that of Redis, in milliseconds', async (t) => {
  const read = async (): Promise<number> => {
    const [seconds, microseconds] = await connection.redis.time();
    return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  };
  const before = await read();
  const { status, body } = await send('GET', '/internal/clock', { as: 'order' });
  const after = await read();
  t.equal(status, 200);
  t.same(Object.keys(body), ['now']);
  const now = Number(body['now']);
  t.ok(Number.isSafeInteger(now) && now >= Math.floor(before) && now <= after, `${before} ${now} ${after}`);
});

await t.test('the state tells gate, window and counts; a sale nobody loaded is missing', async (t) => {
  const state = await send('GET', `/internal/sales/${sale.saleId}/state`);
  t.match(state.body, {
    gate: 'open',
    epoch: 1,
    version: 1,
    state: 'open',
    opensAt: 1,
    closesAt: 4_000_000_000_000,
  });
  for (const { total, available, held, paid } of state.body['items'] as Record<string, number>[]) {
    t.equal(Number(available) + Number(held) + Number(paid), total, 'INV-3');
  }
  t.match((await send('GET', '/internal/sales/nobody/state')).body, { gate: 'missing', items: [], epoch: 0 });
  t.match(await send('GET', '/internal/sales/NOBODY/state'), { status: 400 });
});

await t.test('answer and state tell whether sold-out units are held or all are paid', async (t) => {
  const small = addSale({ items: [{ sku: 'a', price: 1, total: 2 }] });
  const { saleId } = small;
  await send('PUT', `/internal/sales/${saleId}`, { as: 'order', body: small });
  const settle = (answer: ReserveAnswer | undefined, verdict: 'paid' | 'expired') =>
    createSettle(connections)([{ reservationId: reservationOf(answer).id, verdict }]);
  const sees = async (counts: object, answer: object): Promise<void> => {
    t.match((await send('GET', `/internal/sales/${saleId}/state`)).body, {
      items: [{ total: 2, ...counts }],
    });
    t.match(await reserve(item(saleId, { lines: [{ sku: 'a', quantity: 2 }] })), [
      { outcome: 'sold_out', ...answer },
    ]);
  };
  const [one, two] = await reserve(item(saleId), item(saleId, { userId: 'u2' }));
  await sees({ available: 0, held: 2, paid: 0 }, { available: 0, final: false });
  await settle(one, 'paid');
  await sees({ available: 0, held: 1, paid: 1 }, { available: 0, final: false });
  await settle(two, 'expired');
  await sees({ available: 1, held: 0, paid: 1 }, { available: 1, final: false });
  const [three] = await reserve(item(saleId, { userId: 'u3' }));
  await settle(three, 'paid');
  await sees({ available: 0, held: 0, paid: 2 }, { available: 0, final: true });
});

await t.test('control states are checked, and the path names the sale', async (t) => {
  const calls = order.calls.length;
  const path = `/internal/sales/${sale.saleId}`;
  for (const body of [
    { ...sale, saleId: 'another' },
    { ...sale, version: 0 },
    { ...sale, lanes: 2 },
    { ...sale, extra: 1 },
    { ...sale, items: [{ sku: 'a', price: -1, total: 1 }] },
  ]) {
    t.match(await send('PUT', path, { as: 'order', body }), {
      status: 400,
      body: { code: 'invalid_request' },
    });
  }
  const huge = {
    ...sale,
    channels: Array.from({ length: 40_000 }, (_, index) => ({ id: `channel-${index}-padded` })),
  };
  t.match(await send('PUT', path, { as: 'order', body: huge }), {
    status: 413,
    body: { code: 'body_too_large' },
  });
  t.equal(order.calls.length, calls, 'order was not asked');
});
