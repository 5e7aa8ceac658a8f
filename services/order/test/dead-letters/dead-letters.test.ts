// Goal: operators find every dead letter page by page, and a replay sends its message again; what can never
// be replayed is told so, and a crowd of readings is turned away.
// Method: letters in the real Kafka, asked over HTTP as the gateway asks.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEAD_LETTER, TOPICS, type DeadLetter, type ParkedMessagePage } from '@seckill/contracts';
import { connectKafka, connectPublisher } from '@seckill/testing';
import { test } from 'tap';
import { createTopics } from '../../src/commands/topics.ts';
import { markReplayed, readMarks } from '../../src/dead-letters/letter-marks.ts';
import { createDatabase } from '../support/database.ts';
import { SINGLE_BROKER } from '../support/kafka.ts';
import { createService, type Service } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const kafka = connectKafka('order-test');

const asPage = (body: unknown) => body as ParkedMessagePage;

const letterOf = (changes: Partial<DeadLetter>): string =>
  JSON.stringify({
    topic: TOPICS.settlements.name,
    partition: 3,
    offset: '17',
    error: 'not understood',
    value: Buffer.from('junk').toString('base64'),
    ...changes,
  });

/** Other tests park letters in the same Kafka, so each looks for its own keys. */
async function listAll(call: Service['call'], mark: string, query = '') {
  const found: ParkedMessagePage['data'] = [];
  let cursor: string | undefined;
  do {
    const path = `/v1/dead-letters?limit=100${query}${cursor === undefined ? '' : `&cursor=${cursor}`}`;
    // A Kafka that has just started may refuse the first readings. A 503 invites to repeat.
    let { status, body } = await call('GET', path);
    for (let repeat = 0; repeat < 5 && status === 503; repeat += 1) {
      await sleep(1_000);
      ({ status, body } = await call('GET', path));
    }
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    found.push(...asPage(body).data);
    cursor = asPage(body).nextCursor;
  } while (cursor !== undefined);
  return found.filter(({ key }) => key.endsWith(mark));
}

await test('operators list dead letters page by page and replay them', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  await createTopics(kafka, SINGLE_BROKER);
  const publisher = await connectPublisher(t, kafka);
  const mark = randomBytes(4).toString('hex');
  const park = (name: string, changes: Partial<DeadLetter>) =>
    publisher.publish(TOPICS.deadLetters, DEAD_LETTER, [
      { key: `${name}-${mark}`, value: letterOf(changes) },
    ]);
  await park('good', {});
  await park('cut', { isTruncated: true });
  await sleep(5);
  await park('foreign', { topic: 'some.other.topic' });

  const waiting = await listAll(call, mark);
  t.same(
    waiting.map(({ key }) => key),
    ['good', 'cut', 'foreign'].map((name) => `${name}-${mark}`),
    'oldest first',
  );
  const [good, cut, foreign] = waiting;
  t.match(good, { state: 'waiting', topic: TOPICS.settlements.name, partition: 3, offset: '17' });
  t.equal(cut?.isTruncated, true);

  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const { body } = await call(
      'GET',
      `/v1/dead-letters?limit=1${cursor === undefined ? '' : `&cursor=${cursor}`}`,
    );
    t.ok(asPage(body).data.length <= 1);
    ids.push(...asPage(body).data.map(({ id }) => id));
    cursor = asPage(body).nextCursor;
    // Letters of other tests may lie behind ours. A list that repeats a letter would not end.
  } while (cursor !== undefined && !ids.includes(foreign?.id ?? '') && new Set(ids).size === ids.length);
  t.equal(new Set(ids).size, ids.length, 'no letter comes twice');
  t.ok(waiting.every(({ id }) => ids.includes(id)));

  const replay = (id = '') => call('POST', `/v1/dead-letters/${id}/replay`, { userId: 'operator' });
  t.match(await replay(good?.id), { status: 200, body: { id: good?.id, state: 'replayed' } });
  t.match(await replay(good?.id), { status: 200 }, 'a repeat is harmless');
  t.match(await replay(cut?.id), { status: 409, body: { code: 'dead_letter_not_replayable' } });
  t.match(await replay(foreign?.id), { status: 409, body: { code: 'dead_letter_not_replayable' } });
  t.match(await replay('0-999999999'), { status: 404, body: { code: 'dead_letter_not_found' } });
  t.match(await replay('nonsense'), { status: 400 });
  t.match(await call('GET', '/v1/dead-letters?cursor=abc'), { status: 400, body: { field: 'cursor' } });
  t.same(
    (await listAll(call, mark)).map(({ id }) => id),
    [cut?.id, foreign?.id],
  );
  const since = foreign?.parkedAt ?? '';
  t.same(await listAll(call, mark, `&since=${since}`), [foreign]);
  t.same(await listAll(call, mark, `&until=${since}`), [cut]);
  t.match(await call('GET', '/v1/dead-letters?since=2026-02-31T00:00:00Z'), {
    status: 400,
    body: { field: 'since' },
  });
  t.match(await listAll(call, mark, '&state=replayed'), [{ id: good?.id, replayedAt: String }]);

  // A person ends what can never be replayed. Who says so first is kept.
  const done = (id: string | undefined, userId: string, body: object) =>
    call('POST', `/v1/dead-letters/${id ?? ''}/done`, { userId, body });
  const word = { state: 'done', doneBy: 'ann', doneReason: 'the buyer was told', doneAt: String };
  const first = await done(cut?.id, 'ann', { reason: 'the buyer was told' });
  t.match(first, { status: 200, body: { id: cut?.id, ...word } });
  const again = await done(cut?.id, 'bob', { reason: 'so say I' });
  t.same(again.body, first.body, 'a repeat changes nothing');
  t.match(await listAll(call, mark), [{ id: foreign?.id, state: 'waiting' }]);
  t.match(await listAll(call, mark, '&state=done'), [{ id: cut?.id, ...word }]);
  t.match(await done(good?.id, 'ann', { reason: 'stored by hand' }), {
    body: { state: 'done', replayedAt: String },
  });
  t.same(await listAll(call, mark, '&state=replayed'), []);
  t.match(await done('0-999999999', 'ann', { reason: 'x' }), { body: { code: 'dead_letter_not_found' } });
  for (const body of [{}, { reason: '' }, { reason: 'a\u202eb' }, { reason: 'r'.repeat(201) }]) {
    t.match(await done(foreign?.id, 'ann', body), { status: 400 }, JSON.stringify(body).slice(0, 20));
  }
  // As if the topic had been deleted and made anew since: the mark is of another letter, and gives way.
  await pool.query("UPDATE dead_letters_done SET done_at = now() - interval '1 day'");
  t.match(await listAll(call, mark), [{ id: cut?.id }, { id: foreign?.id }]);
  t.match(await done(cut?.id, 'bob', { reason: 'so say I' }), { body: { doneBy: 'bob' } });
});

await test('a list is bounded whatever is in the letters, and a mark of another topic says nothing', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  await createTopics(kafka, SINGLE_BROKER);
  const publisher = await connectPublisher(t, kafka);
  const mark = randomBytes(4).toString('hex');
  const value = letterOf({ error: 'e'.repeat(100_000) });
  await publisher.publish(TOPICS.deadLetters, DEAD_LETTER, [
    { key: 'k'.repeat(400_000), value },
    { key: `short-${mark}`, value },
  ]);
  const [short] = await listAll(call, mark);
  t.equal(short?.error.length, 500);
  const { body } = await call('GET', '/v1/dead-letters?limit=100');
  t.ok(asPage(body).data.every(({ key }) => key.length <= 500));
  await call('POST', `/v1/dead-letters/${short?.id ?? ''}/replay`, { userId: 'operator' });
  t.same(await listAll(call, mark), []);
  // As if the topic had been deleted and made anew since: this letter has the offset of one of before.
  await pool.query("UPDATE dead_letter_replays SET replayed_at = now() - interval '1 day'");
  t.match(await listAll(call, mark), [{ state: 'waiting' }]);
});

await test('marks are read only of letters that there are', async (t) => {
  const { pool } = await createDatabase(t);
  const letter = (offset: bigint) => ({ partition: 0, offset, parkedAt: new Date() });
  for (const offset of [1n, 5n, 9n]) await markReplayed(pool, letter(offset));
  const marks = await readMarks(pool, [
    { partition: 0, low: '5', high: '9' },
    { partition: 1, low: '0', high: '50' },
  ]);
  t.ok(marks.find(letter(5n)));
  t.notOk(marks.find(letter(1n)), 'Kafka has deleted that one');
  t.notOk(marks.find(letter(9n)));
});

await test('a crowd of readings is turned away, and the next one is answered', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  await createTopics(kafka, SINGLE_BROKER);
  const answers = await Promise.all(Array.from({ length: 7 }, () => call('GET', '/v1/dead-letters')));
  const statuses = answers.map(({ status }) => status).sort();
  t.same(statuses, [200, 200, 200, 200, 503, 503, 503]);
  t.equal((await call('GET', '/v1/dead-letters')).status, 200);
});
