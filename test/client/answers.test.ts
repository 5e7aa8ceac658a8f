// Goal: a buyer who uses the client hears the truth for every answer that a whole system gives, and never
// takes a second unit. Method: the real system; each answer is provoked and waited out.
import { fetchTransport } from '@seckill/client';
import { signToken } from '@seckill/stack';
import t from 'tap';
import { makeBuyer, oneOf } from '../support/buyer.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const system = await buildStack(t, 'client-answers');

async function operate(saleId: string, verb: 'pause' | 'resume' | 'close'): Promise<void> {
  const token = await system.token('operator', true);
  const { status, text } = await system.send({ method: 'POST', path: `/v1/sales/${saleId}/${verb}`, token });
  if (status !== 200) throw new Error(`${verb}: ${text}`);
}

await t.test('not open yet: the client waits for the opening by the clock of the server', async (t) => {
  const opensAt = new Date(Date.now() + 6_000).toISOString();
  await createSale(system, 'client-opening', { opensAt });
  // The first request of its kind may take long on a busy machine, and the clock is off by half of that.
  await makeBuyer(system, 'first').reserve('client-opening', oneOf('a'), { deadlineMs: 1_000 });
  const buyer = makeBuyer(system, 'early');
  const hasty = await buyer.reserve('client-opening', oneOf('a'), { deadlineMs: 1_000 });
  t.match(hasty, { ok: false, code: 'sale_not_open', opensAt, retryable: true, inDoubt: false });
  // Both clocks are this machine's. The client has read only the second of a `date`, so it may be off by half
  // a second.
  const offMs = buyer.msUntil(opensAt) - (Date.parse(opensAt) - Date.now());
  t.ok(Math.abs(offMs) < 750, `the countdown is ${offMs} ms off`);
  const done = await buyer.reserve('client-opening', oneOf('a'));
  if (!done.ok) return t.fail(done.code);
  const lateMs = Date.parse(done.value.reservedAt) - Date.parse(opensAt);
  t.ok(lateMs >= 0 && lateMs < 2_000, `${lateMs} ms after the opening`);
  t.equal(await buyer.countUnits('client-opening'), 1);
});

await t.test('paused: the client takes its unit once the sale is open', async (t) => {
  await createSale(system, 'client-paused');
  await operate('client-paused', 'pause');
  const buyer = makeBuyer(system, 'patient');
  const hasty = await buyer.reserve('client-paused', oneOf('a'), { deadlineMs: 500 });
  t.match(hasty, { ok: false, code: 'sale_paused', retryable: true, inDoubt: false });
  let waits = 0;
  const onWait = (): void => void (waits += 1);
  const waiting = buyer.reserve('client-paused', oneOf('a'), { onWait });
  await until('it has asked twice', () => waits === 2);
  await operate('client-paused', 'resume');
  t.match(await waiting, { ok: true, replayed: false });
  t.equal(await buyer.countUnits('client-paused'), 1);
});

await t.test('rate_limited: everybody gets through, each once', async (t) => {
  await createSale(system, 'client-limited');
  const tight = await system.stack.startProcess({
    service: 'gateway',
    name: 'gateway-client',
    env: { RATE_LIMIT_USER_MAX: '1', DRAIN_MS: '0' },
  });
  const buyer = makeBuyer(system, 'quick', { baseUrl: tight.url });
  const wave = await Promise.all(
    [1, 2, 3, 4].map(() => buyer.reserve('client-limited', oneOf('a'), { deadlineMs: 1_000 })),
  );
  const limited = wave.filter((one) => !one.ok);
  t.ok(limited.length >= 2, 'who does not wait is told');
  for (const one of limited) t.match(one, { code: 'rate_limited', retryable: true, inDoubt: false });
  const taken = wave.length - limited.length;
  const patient = await Promise.all(
    limited.map(({ key }) => buyer.reserve('client-limited', oneOf('a'), { key })),
  );
  for (const one of patient) t.match(one, { ok: true });
  await until('all rows are stored, for another gateway reserved them', async () => {
    return (await buyer.countUnits('client-limited')) === taken + patient.length;
  });
});

await t.test('a token that ends while the client waits is renewed, and takes one unit', async (t) => {
  await createSale(system, 'client-renewed');
  await operate('client-renewed', 'pause');
  const short = await signToken(system.stack.info.jwtSecret, { userId: 'renewing', ttlSeconds: 3 });
  let token = short;
  const refusals: string[] = [];
  const buyer = makeBuyer(system, 'renewing', {
    token: async (refused) => {
      if (refused !== undefined) {
        refusals.push(refused);
        token = await system.token('renewing');
      }
      return token;
    },
  });
  let waits = 0;
  const waiting = buyer.reserve('client-renewed', oneOf('a'), { onWait: () => void (waits += 1) });
  // The next try comes five seconds later, when the token has ended.
  await until('it waits', () => waits === 1);
  await operate('client-renewed', 'resume');
  t.match(await waiting, { ok: true, replayed: false });
  t.same(refusals, [short]);
  t.equal(await buyer.countUnits('client-renewed'), 1);
});

await t.test('sold out, limits and caps are told with what they say', async (t) => {
  const channels = [{ id: 'small', kind: 'store', title: 'Small', cap: 1 }];
  const items = [oneItem(2), { ...oneItem(9), sku: 'b' }];
  await createSale(system, 'client-sold', { items, channels, limitPerBuyer: 3 });
  const one = makeBuyer(system, 'one');
  const other = makeBuyer(system, 'other');
  const first = await one.reserve('client-sold', oneOf('a', 2));
  if (!first.ok) return t.fail(first.code);
  const hasty = { deadlineMs: 1_000 };
  t.match(await other.reserve('client-sold', oneOf('a'), hasty), {
    ok: false,
    code: 'sold_out',
    lines: [{ sku: 'a', available: 0 }],
    final: false,
    retryable: true,
    inDoubt: false,
  });
  t.match(await one.reserve('client-sold', oneOf('b', 2), hasty), {
    code: 'limit_reached',
    limit: 3,
    held: 2,
    retryable: true,
  });
  t.match(await one.reserve('client-sold', oneOf('b', 4)), { code: 'limit_reached', retryable: false });
  t.match(await other.reserve('client-sold', { ...oneOf('b', 2), channelId: 'small' }), {
    code: 'channel_full',
    cap: 1,
    retryable: false,
  });
  t.match(await other.reserve('client-sold', oneOf('z')), { code: 'sku_not_found', sku: 'z' });
  t.match(await other.reserve('client-sold', { ...oneOf('b'), channelId: 'none' }), {
    code: 'channel_not_found',
  });
  t.match(await other.reserve('client-nothing', oneOf('a')), { code: 'sale_not_found', inDoubt: false });
  t.match(await other.reserve('client-sold', oneOf('b', 0)), {
    code: 'invalid_request',
    field: 'lines.0.quantity',
  });
  t.match(await one.reserve('client-sold', oneOf('b'), { key: first.key }), { code: 'key_reused' });
  t.match(await makeBuyer(system, 'x', { token: 'no.token' }).reserve('client-sold', oneOf('b')), {
    code: 'unauthenticated',
  });

  t.match(await one.pay(first.value.id), { ok: true, value: { status: 'paid' } });
  t.match(await one.cancel(first.value.id), { ok: false, code: 'order_not_pending', orderStatus: 'paid' });
  t.match(await one.getOrder(first.value.id), { ok: true, value: { status: 'paid' } });
  t.match(await other.getOrder(first.value.id), { ok: false, code: 'order_not_found' });
  await until('the units are paid', async () => {
    const sold = await other.reserve('client-sold', oneOf('a'), hasty);
    return !sold.ok && sold.code === 'sold_out' && sold.final && !sold.retryable;
  });
  await operate('client-sold', 'close');
  t.match(await other.reserve('client-sold', oneOf('b')), { code: 'sale_closed', retryable: false });
  t.equal(await one.countUnits('client-sold'), 2);
  t.equal(await other.countUnits('client-sold'), 0, 'who was refused has nothing');
});

await t.test('the client waits for units that anybody gives back, and tells of the wait', async (t) => {
  await createSale(system, 'client-back', { limitPerBuyer: 1 });
  await createSale(system, 'client-last', { items: [oneItem(1)] });
  const holder = makeBuyer(system, 'holder');
  const first = await holder.reserve('client-back', oneOf('a'));
  if (!first.ok) return t.fail(first.code);
  const told: string[] = [];
  const onWait = ({ code }: { code: string }): void => {
    told.push(code);
  };
  const again = holder.reserve('client-back', oneOf('a'), { onWait });
  await until('the buyer is at the limit', () => told.includes('limit_reached'));
  t.match(await holder.cancel(first.value.id), { ok: true, value: { status: 'cancelled' } });
  const second = await again;
  if (!second.ok) return t.fail(second.code);
  t.equal(await holder.countUnits('client-back'), 1);

  const last = await holder.reserve('client-last', oneOf('a'));
  if (!last.ok) return t.fail(last.code);
  const next = makeBuyer(system, 'next');
  const waiting = next.reserve('client-last', oneOf('a'), { onWait });
  await until('it is sold out for now', () => told.includes('sold_out'));
  await holder.cancel(last.value.id);
  t.match(await waiting, { ok: true });
  t.equal(await next.countUnits('client-last'), 1);
  t.match(await holder.reserve('client-back', oneOf('a'), { key: first.key }), {
    ok: true,
    replayed: true,
    orderStatus: 'cancelled',
  });

  const changes = { holdsPerBuyerMax: 2, rejoinSeconds: 3 };
  await createSale(system, 'client-rejoin', changes);
  const taken = await holder.reserve('client-rejoin', oneOf('a'));
  if (!taken.ok) return t.fail(taken.code);
  await holder.cancel(taken.value.id);
  // The cool-down begins when Redis has the unit back.
  await until('the unit is back', async () => {
    const token = await system.token('operator', true);
    const { body } = await system.send({ path: '/v1/sales/client-rejoin', token });
    return (body['items'] as { held: number }[])[0]?.held === 0;
  });
  t.match(await holder.reserve('client-rejoin', oneOf('a'), { onWait }), { ok: true });
  t.ok(told.includes('rejoin_later'));
  t.match(await holder.reserve('client-rejoin', oneOf('a')), {
    code: 'holds_exceeded',
    holdsPerBuyerMax: 2,
    retryable: false,
  });
  t.equal(await holder.countUnits('client-rejoin'), 1);
});

await t.test('the caller ends a wait, and hears whether it is in doubt', async (t) => {
  await createSale(system, 'client-ended');
  await operate('client-ended', 'pause');
  const buyer = makeBuyer(system, 'leaving');
  const ending = new AbortController();
  const waiting = buyer.reserve('client-ended', oneOf('a'), { signal: ending.signal });
  setTimeout(() => {
    ending.abort();
  }, 300);
  const startedAt = performance.now();
  t.match(await waiting, { ok: false, code: 'aborted', retryable: true, inDoubt: false });
  t.ok(performance.now() - startedAt < 1_000, 'at once');
  t.match(await buyer.reserve('client-ended', oneOf('a'), { signal: AbortSignal.abort() }), {
    code: 'aborted',
  });
});

await t.test('a sale is watched until it is closed, and only what changed is told', async (t) => {
  await createSale(system, 'client-watched', { items: [oneItem(3)] });
  const seen: string[] = [];
  let requests = 0;
  const watcher = makeBuyer(system, 'watcher', {
    transport: async (request) => {
      requests += 1;
      const answer = await fetchTransport(request);
      if (answer.status === 304) seen.push('304');
      return answer;
    },
  });
  const startedAt = performance.now();
  const watching = (async () => {
    for await (const sale of watcher.watchSale('client-watched', { everyMs: 1 })) {
      seen.push(sale.ok ? `${sale.value.state} ${sale.value.items[0]?.available}` : sale.code);
    }
  })();
  await until('nothing changed', () => seen.includes('304'));
  await makeBuyer(system, 'w1').reserve('client-watched', oneOf('a'));
  await until('it is told', () => seen.includes('open 2'));
  await operate('client-watched', 'close');
  await watching;
  const told = seen.filter((one) => one !== '304');
  t.same([told[0], told.at(-1)?.split(' ')[0]], ['open 3', 'closed']);
  t.ok(requests <= 2 + (performance.now() - startedAt) / 1_000, `${requests} requests: at most one a second`);
  for await (const nothing of watcher.watchSale('client-nothing')) {
    t.match(nothing, { ok: false, code: 'sale_not_found' }, 'what is not there ends the watch');
  }
});

await t.test('orders are listed page by page, newest first', async (t) => {
  await createSale(system, 'client-pages');
  const buyer = makeBuyer(system, 'collector');
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    const done = await buyer.reserve('client-pages', oneOf('a'));
    if (done.ok) ids.unshift(done.value.id);
  }
  const pages: string[][] = [];
  for await (const page of buyer.listOrders({ saleId: 'client-pages', limit: 2 })) {
    if (page.ok) pages.push(page.value.data.map(({ id }) => id));
  }
  t.same(
    pages.map(({ length }) => length),
    [2, 2, 1],
  );
  t.same(pages.flat(), ids);
  const refused = [];
  for await (const page of buyer.listOrders({ limit: 1_000 })) refused.push(page);
  t.match(refused, [{ ok: false, code: 'invalid_request', field: 'limit' }]);
});
