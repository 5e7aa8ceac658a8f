// Goal: only the holder of the lease trims, and only what it names; entries added meanwhile stay (INV-2).
// Method: lease.lua and trim.lua on a lane with entries.
import t from 'tap';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, openLane } from './support/lane.ts';

const redis = await connect(t);

await t.test(
  'one relay at a time has the lease; it renews, gives back, and loses it after its time',
  async (t) => {
    const lane = await openLane(t, {}, [], redis);
    t.equal(await lane.lease('one', 10_000), 1);
    t.equal(await lane.lease('two', 10_000), 0);
    t.equal(await lane.lease('one', 20_000), 1);
    t.ok((await redis.pttl(lane.keys.lease)) > 10_000, 'renewed');
    t.equal(await lane.lease('two', 0), 0, 'another cannot give it back');
    t.equal(await lane.lease('one', 0), 1);
    t.equal(await redis.exists(lane.keys.lease), 0);
    t.equal(await lane.lease('one', 0), 1, 'giving back what is gone is no error');
    t.equal(await redis.exists(lane.keys.lease), 0);
    t.equal(await lane.lease('two', 30), 1);
    await delay(60);
    t.equal(await lane.lease('one', 10_000), 1);
  },
);

await t.test('a lease that no script of ours wrote belongs to nobody, and ends', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.reserve();
  for (const put of [
    () => redis.lpush(lane.keys.lease, 'garbage'),
    () => redis.set(lane.keys.lease, 'without an end'),
  ]) {
    await put();
    t.equal(await lane.trim('one', '1-1'), -1, 'it lets nobody trim');
    t.equal(await lane.lease('one', 0), 1);
    t.equal(await redis.exists(lane.keys.lease), 0);
    await put();
    t.equal(await lane.lease('one', 10_000), 1, 'and keeps nobody away');
    t.ok((await redis.pttl(lane.keys.lease)) > 0);
    t.equal(await lane.lease('two', 10_000), 0);
    t.equal(await lane.lease('one', 0), 1);
  }
});

await t.test('what stands at the highest id can be trimmed', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const highest = '18446744073709551615-18446744073709551615';
  await lane.reserve();
  await redis.xadd(lane.keys.outbox, highest, 'record', 'garbage');
  await lane.lease('one', 10_000);
  t.equal(await lane.trim('one', highest), 2);
  t.equal(await redis.xlen(lane.keys.outbox), 0);
});

await t.test('trim removes up to the entry named and nothing after it', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  for (const user of ['u1', 'u2', 'u3']) await lane.reserve({ user });
  await lane.lease('one', 10_000);
  t.equal(await lane.trim('one', '1-2'), 2);
  t.same(
    (await redis.xrange(lane.keys.outbox, '-', '+')).map(([id]) => id),
    ['1-3'],
  );
  t.equal(await lane.trim('one', '1-2'), 0, 'a repeat removes nothing');
  t.equal(await lane.trim('one', '1-3'), 1);
  t.equal((await lane.reserve({ user: 'u4', lines: [['b', 1]] }))[0], 'reserved');
  t.same(
    (await redis.xrange(lane.keys.outbox, '-', '+')).map(([id]) => id),
    ['1-4'],
    'an emptied stream goes on',
  );
});

await t.test('without the lease nothing is trimmed', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.reserve();
  const before = await lane.dump();
  t.equal(await lane.trim('one', '1-1'), -1, 'nobody has it');
  t.same(await lane.dump(), before);
  await lane.lease('two', 10_000);
  t.equal(await lane.trim('one', '1-1'), -1, 'another has it');
  t.equal(await redis.xlen(lane.keys.outbox), 1);
});

await t.test('trim refuses what is no entry id', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.reserve();
  await lane.lease('one', 10_000);
  for (const id of ['', '+', '1', '1-1-1', '1-x', '$']) {
    await t.rejects(lane.trim('one', id), /^SECKILL_TRIM_ENTRY_ID/, id);
  }
  t.equal(await redis.xlen(lane.keys.outbox), 1);
});
