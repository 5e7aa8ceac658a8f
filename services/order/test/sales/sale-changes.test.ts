// Goal: each change of an operator stands in the audit trail, once, with who, when, what and why; what
// changed nothing does not.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP.
import type { SaleChange, SaleChangePage, SaleRecord } from '@seckill/contracts';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { makeSaleInput } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const created = await call('POST', '/v1/sales', { body: makeSaleInput(), userId: 'ana' });
  const { definition } = created.body as unknown as SaleRecord;
  const path = `/v1/sales/${definition.id}`;
  const list = async (query = '') =>
    (await call('GET', `${path}/changes${query}`)).body as unknown as SaleChangePage;
  return { pool, stock, call, path, list, definition };
}

await test('the trail has who, what and why of each change, and no row for a repeat', async (t) => {
  const { pool, stock, call, path, list, definition } = await build(t);
  const act = (verb: string, body?: object, headers: Record<string, string> = {}) =>
    call('POST', `${path}/${verb}`, { userId: 'ben', headers, ...(body === undefined ? {} : { body }) });
  t.equal((await act('pause', { reason: 'the truck is late' })).status, 200);
  t.equal((await act('pause', { reason: 'again' })).status, 200);
  t.equal((await act('resume')).status, 200);
  const key = { 'idempotency-key': 'truck' };
  for (let repeat = 0; repeat < 2; repeat += 1) {
    const body = { quantity: 5, reason: 'the truck' };
    t.equal((await act('items/orange/restock', body, key)).status, 200);
  }
  t.equal((await act('items/pear/restock', { quantity: 5 }, { 'idempotency-key': 'x' })).status, 404);
  t.equal((await act('pause', undefined, { 'x-deadline': '1' })).status, 503, 'too late');
  t.equal((await act('items/pear/pause')).status, 404);
  const rotten = { reason: 'rotten?' };
  t.match(await act('items/orange/pause', rotten, { 'if-match': '"4"' }), {
    status: 200,
    body: { version: 5 },
  });
  t.match(await act('items/orange/pause', rotten, { 'if-match': '"4"' }), {
    status: 200,
    body: { version: 5 },
  });
  t.match(await act('items/orange/resume', {}, { 'if-match': '"4"' }), { status: 412, body: { version: 5 } });
  t.match(stock.applied.get(definition.id)?.items, [{ sku: 'orange', paused: true }]);
  t.match(await act('items/orange/resume'), {
    status: 200,
    body: { version: 6, definition: { items: [{ sku: 'orange' }] } },
  });
  t.notOk(stock.applied.get(definition.id)?.items.some((item) => 'paused' in item));
  t.equal((await act('close', { reason: '收摊' })).status, 200);
  t.equal((await act('resume', { reason: 'no' })).status, 410);

  const { data, nextCursor } = await list();
  t.equal(nextCursor, undefined);
  const told = data.map(({ at: _at, ...rest }) => rest);
  t.same(told, [
    {
      by: 'ben',
      action: 'close',
      reason: '收摊',
      before: { state: 'open' },
      after: { state: 'closed' },
      version: 7,
    },
    {
      by: 'ben',
      action: 'resume_item',
      before: { sku: 'orange', paused: true },
      after: { sku: 'orange', paused: false },
      version: 6,
    },
    {
      by: 'ben',
      action: 'pause_item',
      reason: 'rotten?',
      before: { sku: 'orange', paused: false },
      after: { sku: 'orange', paused: true },
      version: 5,
    },
    {
      by: 'ben',
      action: 'restock',
      reason: 'the truck',
      before: { sku: 'orange', total: 100 },
      after: { sku: 'orange', total: 105 },
      version: 4,
    },
    { by: 'ben', action: 'resume', before: { state: 'paused' }, after: { state: 'open' }, version: 3 },
    {
      by: 'ben',
      action: 'pause',
      reason: 'the truck is late',
      before: { state: 'open' },
      after: { state: 'paused' },
      version: 2,
    },
    { by: 'ana', action: 'create', before: {}, after: definition, version: 1 },
  ]);
  const times = data.map(({ at }) => Date.parse(at));
  t.same(
    [...times].sort((a, b) => b - a),
    times,
    'newest first',
  );
  const { rows } = await pool.query<{ version: string }>('SELECT version FROM sales');
  t.equal(rows[0]?.version, '7', 'a row for each version');
});

await test('of operators who race with one version exactly one decides', async (t) => {
  const { call, path, list } = await build(t);
  const headers = { 'if-match': '"1"' };
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      call('PATCH', path, { body: { title: `by ${index}` }, userId: `operator-${index}`, headers }),
    ),
  );
  const won = answers.filter(({ status }) => status === 200);
  t.equal(won.length, 1);
  for (const { status, body } of answers.filter((answer) => answer !== won[0])) {
    t.match({ status, body }, { status: 412, body: { code: 'version_conflict', version: 2 } });
  }
  const { data } = await list();
  t.equal(data.length, 2);
  const { title } = (won[0]?.body as unknown as SaleRecord).definition;
  t.match(data[0], {
    action: 'change',
    after: { title },
    by: `operator-${JSON.stringify(title).slice(4, -1)}`,
  });
});

await test('the list comes in pages, and changes that come meanwhile neither repeat nor hide a row', async (t) => {
  const { call, path, list } = await build(t);
  for (const verb of ['pause', 'resume', 'pause']) await call('POST', `${path}/${verb}`);
  const seen: SaleChange[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(`?limit=1${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    t.equal(page.data.length, 1);
    seen.push(...page.data);
    cursor = page.nextCursor;
    await call('POST', `${path}/${seen.length % 2 === 0 ? 'pause' : 'resume'}`);
  } while (cursor !== undefined);
  t.same(
    seen.map(({ version }) => version),
    [4, 3, 2, 1],
  );
  t.notOk('by' in (seen[0] ?? {}), 'nobody told who it was');
  for (const query of ['?cursor=x', '?cursor=-1', '?limit=0', '?limit=101', '?since=1']) {
    t.equal((await call('GET', `${path}/changes${query}`)).status, 400, query);
  }
  t.match(await call('GET', '/v1/sales/nowhere/changes'), { status: 404, body: { code: 'sale_not_found' } });
});

await test('a reason is one line of at most 200 characters', async (t) => {
  const { call, path, list } = await build(t);
  for (const reason of ['', 'x'.repeat(201), 'two\nlines', 5, null]) {
    const answer = await call('POST', `${path}/pause`, { body: { reason } });
    t.match(answer, { status: 400, body: { field: 'reason' } }, String(reason).slice(0, 9));
  }
  t.equal((await call('POST', `${path}/pause`, { body: { reason: '橙'.repeat(200) } })).status, 200);
  t.equal((await list()).data.length, 2);
});
