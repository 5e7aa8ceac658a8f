// Goal: a Redis that is full refuses reservations before the first write, while stopping a sale and draining
// it work.
// Method: a Redis of our own whose maxmemory is set below what it uses.
import { startEngines } from '@seckill/stack';
import t from 'tap';
import { connect, openLane } from './support/lane.ts';

await t.test(
  'at maxmemory reserve and load write nothing; control, close, lease, trim, settle and retire go on',
  async (t) => {
    // REDIS_URL names the Redis of all tests. This test needs one to fill.
    const shared = process.env['REDIS_URL'];
    Reflect.deleteProperty(process.env, 'REDIS_URL');
    const engines = await startEngines({ name: 'lua-memory', anyName: true, only: ['redis'] });
    t.teardown(async () => {
      await engines.stop();
      if (shared !== undefined) process.env['REDIS_URL'] = shared;
    });
    const redis = await connect(t, engines.redis);
    const lane = await openLane(t, {}, [], redis);
    const paid = await lane.hold();
    const expired = await lane.hold({ user: 'u3' });
    const retired = await openLane(t, { closesAt: 2 }, [], redis);
    await redis.config('SET', 'maxmemory', '1mb');
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    const before = await lane.dump();
    await t.rejects(lane.reserve({ user: 'u2' }), /^OOM/);
    t.same(await lane.dump(), before);
    t.equal((await lane.inspect())[0], 'open');
    t.same(await lane.control({ version: 2, state: 'paused' }), ['applied', 'open', 1, 2]);
    t.equal(await lane.lease('one', 10_000), 1);
    t.equal(await lane.trim('one', '1-2'), 2);
    t.equal((await lane.settle(paid, 'paid'))[0], 'settled');
    t.equal((await lane.settle(expired, 'expired'))[0], 'settled');
    t.same(await lane.item('a'), [3, 2, 0, 1]);
    t.same(await retired.retire(), ['retired']);
    t.same(await lane.close({ force: true }), ['open', 'rebuilding', 1, 2]);
    const closed = await lane.dump();
    await t.rejects(lane.loadChunk({ epoch: 2 }), /^OOM/);
    t.same(await lane.dump(), closed);
    t.same(await lane.open(1), ['opened']);
    await redis.config('SET', 'maxmemory', '0');
    await lane.control({ version: 3 });
    t.equal((await lane.reserve({ user: 'u2' }))[0], 'reserved');
  },
);
