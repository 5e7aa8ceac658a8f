// Goal: a client that does nothing but follow the table "What a client does" of docs/http-api.md ends well:
// what passes is repeated under its key and succeeds, and what can be had is offered. Method: the client
// reads the table itself; the real system gives each answer that can be had from outside. `internal` cannot,
// because it is a bug of ours, and `ends_missing` is answered by stock to order alone: for these two only the
// row is looked at.
import { PROBLEMS, type ProblemCode } from '@seckill/contracts';
import t from 'tap';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';
import { makeCalls } from './table/table-calls.ts';
import { readTable, rowsFor, type Call, type End } from './table/table-client.ts';

const system = await buildStack(t, 'client-table');
const admin = await system.token('operator', true);
const { client, reserving, change, act, untilOver } = await makeCalls(system);

await t.test('each code has one row, whatever the call', (t) => {
  const table = readTable();
  const calls = ['/v1/sales', '/v1/sales/x/reservations', '/v1/sales/x/pause', '/v1/orders/x/pay'];
  for (const code of Object.keys(PROBLEMS)) {
    for (const path of calls) {
      for (const [retryable, final] of [
        [true, false],
        [false, false],
        [false, true],
      ]) {
        const rows = rowsFor(table, { method: 'POST', path }, code, { retryable, final });
        t.equal(rows.length, 1, `${code} of ${path}`);
        const isRepeated = ['repeat', 'token'].includes(rows[0]?.kind ?? '');
        const { status, retryable: may } = PROBLEMS[code as ProblemCode];
        const mayBeFinal = ['sold_out', 'item_paused', 'rejoin_later'].includes(code);
        if (may && (retryable === true || !mayBeFinal)) t.ok(isRepeated, `${code} may succeed later`);
        if (code === 'nothing_to_pick_up' && retryable === true) t.ok(isRepeated, 'a group may be reached');
        if (status < 500 && !may && retryable === false && code !== 'unauthenticated')
          t.notOk(isRepeated, code);
      }
    }
  }
  t.end();
});

await t.test('what passes is repeated under its key, and succeeds', async (t) => {
  const items = [oneItem(2), { ...oneItem(9), sku: 'b' }];
  const channels = [{ id: 'small', kind: 'store', title: 'Small', cap: 1 }];
  await Promise.all([
    createSale(system, 'table-pauses'),
    createSale(system, 'table-passes', { items, channels, limitPerBuyer: 2 }),
    createSale(system, 'table-rejoins', { rejoinSeconds: 2 }),
  ]);
  await client.follow(change('table-pauses/items/b/pause'));
  const [one, two] = await Promise.all([
    client.follow(await reserving('table-passes', 'one', [['a', 2]])),
    client.follow(await reserving('table-passes', 'two', [['b', 1]], { channelId: 'small' })),
  ]);
  const left = await client.follow(await reserving('table-rejoins', 'left', [['a', 1]]));
  await act('left', left, 'cancel');
  await until('the cool-down has begun', async () => {
    const { body } = await system.send({ path: '/v1/sales/table-rejoins', token: admin });
    return (body['items'] as { held: number }[])[0]?.held === 0;
  });
  const nothing = async () => undefined;
  await createSale(system, 'table-opens', { opensAt: new Date(Date.now() + 4_000).toISOString() });
  await Promise.all([
    untilOver(t, await reserving('table-opens', 'u', [['a', 1]]), 'sale_not_open', nothing),
    untilOver(t, await reserving('table-rejoins', 'left', [['a', 1]]), 'rejoin_later', nothing),
    untilOver(t, await reserving('table-pauses', 'u', [['b', 1]]), 'item_paused', () =>
      client.follow(change('table-pauses/items/b/resume')),
    ),
    (async () => {
      const full = await reserving('table-passes', 'other', [['b', 1]], { channelId: 'small' });
      await untilOver(t, full, 'channel_full', () => act('two', two, 'cancel'));
      const sold = await reserving('table-passes', 'late', [['a', 1]]);
      const limit = await reserving('table-passes', 'one', [['b', 1]]);
      let cancelled: Promise<End> | undefined;
      const cancel = () => (cancelled ??= act('one', one, 'cancel'));
      await Promise.all([
        untilOver(t, sold, 'sold_out', cancel),
        untilOver(t, limit, 'limit_reached', cancel),
      ]);
    })(),
  ]);
  await client.follow(change('table-pauses/pause'));
  await untilOver(t, await reserving('table-pauses', 'u', [['a', 1]]), 'sale_paused', () =>
    client.follow(change('table-pauses/resume')),
  );
  const replayed = await client.follow({
    ...(await reserving('table-rejoins', 'left', [['a', 1]])),
    key: left.key ?? '',
  });
  t.match(replayed, { end: 'show', heard: ['201'], body: { status: 'pending' } }, 'the header has the truth');
});

await t.test('what can be had is offered under a new key', async (t) => {
  const items = [oneItem(2), { ...oneItem(9), sku: 'b' }, { ...oneItem(12), sku: 'c', step: 6 }];
  await createSale(system, 'table-offers', { items });
  const more = await reserving('table-offers', 'u', [
    ['a', 5],
    ['b', 1],
  ]);
  const less = await client.follow(more);
  t.match(less, {
    end: 'done',
    heard: ['sold_out', '201'],
    body: { lines: [{ quantity: 2 }, { quantity: 1 }] },
  });
  t.not(less.key, more.key);
  const crate = await client.follow(await reserving('table-offers', 'u', [['c', 4]]));
  t.match(crate, { end: 'done', heard: ['quantity_not_allowed', '201'], body: { lines: [{ quantity: 6 }] } });
  const lines: [string, number][] = [
    ['a', 3],
    ['b', 1],
  ];
  // A "no" of the gateway may be a second old.
  await until('the gateway has heard that it is sold', async () => {
    const { path, token, key = '', body } = await reserving('table-offers', 'v', lines);
    return (await system.send({ method: 'POST', path, token, key, body })).body['available'] === 0;
  });
  const without = await client.follow(await reserving('table-offers', 'v', lines));
  t.match(without, { end: 'done', body: { lines: [{ sku: 'b' }] } }, 'the basket without what is gone');

  const patch: Call = { method: 'PATCH', path: '/v1/sales/table-offers', token: admin, body: { title: 'X' } };
  const anew = await client.follow({ ...patch, headers: { 'if-match': '"77"' } });
  t.match(anew, { end: 'done', heard: ['version_conflict', '200'] });
  const stranger = { ...(await reserving('table-offers', 'u', [['b', 1]])), token: 'no.token' };
  t.match(await client.follow(stranger), {
    end: 'done',
    heard: ['unauthenticated', '201'],
    key: stranger.key,
  });
});
