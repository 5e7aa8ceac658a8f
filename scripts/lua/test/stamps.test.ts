// Goal: a lane of a cluster of which a key was left away, or came back as an older copy, takes nothing,
// settles nothing, is told as torn and does not open, whatever is written to it since (INV-4, INV-6; D101).
// Method: a lane with the stamps that load.lua gives on a cluster; each of its keys is removed, and put back
// as it was before the last write. What a real cluster does: services/stock/test/cluster.test.ts.
import t from 'tap';
import { STAMP } from '../../../services/stock/src/redis/keys.ts';
import { connect, openLane, type TestLane } from './support/lane.ts';

const redis = await connect(t);
const PARTS = ['buyers', 'keys', 'holds', 'returns'] as const;
type Part = (typeof PARTS)[number];
const TORN = /^SECKILL_LANE_BROKEN parts of different instants/;

interface Used {
  lane: TestLane;
  /** Ends of reservation ids: one hold that lives, one that expired, one that was paid. */
  live: string;
  expired: string;
  paid: string;
}

async function useLane(): Promise<Used> {
  const lane = await openLane(t, { items: [{ sku: 'a', price: 1, total: 50 }] }, [], redis, true);
  const [live, expired, paid] = [
    await lane.hold({ user: 'live' }),
    await lane.hold({ user: 'expired' }),
    await lane.hold({ user: 'paid' }),
  ];
  t.match(await lane.settle(expired, 'expired'), ['settled']);
  t.match(await lane.settle(paid, 'paid'), ['settled']);
  t.match(await lane.giveBack(paid, 1, { a: [1, 0] }), ['returned']);
  return { lane, live, expired, paid };
}

/** What writes into this part. */
const WRITES: Record<Part, (used: Used) => Promise<unknown>> = {
  buyers: ({ lane }) => lane.hold({ user: 'more' }),
  holds: ({ lane }) => lane.hold({ user: 'more' }),
  keys: async ({ lane }) => lane.settle(await lane.hold({ user: 'more' }), 'cancelled'),
  returns: async ({ lane }) => {
    const suffix = await lane.hold({ user: 'more' });
    await lane.settle(suffix, 'paid');
    return lane.giveBack(suffix, 1, { a: [1, 1] });
  },
};

/** Who takes units by each part, and who ends a hold or returns units by it. */
const TAKERS: Record<Part, ('reserve' | 'retake')[]> = {
  buyers: ['reserve', 'retake'],
  keys: ['reserve', 'retake'],
  holds: ['reserve', 'retake'],
  returns: [],
};
const SETTLERS: Record<Part, ('settle' | 'giveBack')[]> = {
  buyers: ['settle', 'giveBack'],
  keys: ['settle', 'giveBack'],
  holds: ['settle'],
  returns: ['giveBack'],
};

const fenceOf = async (lane: TestLane): Promise<number> => Number(await redis.hget(lane.keys.state, 'fence'));

const calls = {
  reserve: ({ lane }: Used) => lane.reserve({ user: 'next' }),
  settle: ({ lane, live }: Used) => lane.settle(live, 'expired'),
  giveBack: ({ lane, paid }: Used) => lane.giveBack(paid, 2, { a: [1, 1] }),
  retake: ({ lane, expired }: Used) => lane.retake(expired),
};

for (const part of PARTS) {
  for (const harm of ['is missing', 'is an older copy'] as const) {
    await t.test(`a lane whose ${part} key ${harm}`, async (t) => {
      const used = await useLane();
      const { lane } = used;
      const key = lane.keys[part];
      if (harm === 'is missing') await redis.del(key);
      else {
        const copy = await redis.dumpBuffer(key);
        await WRITES[part](used);
        await redis.restore(key, 0, copy, 'REPLACE');
      }
      t.equal((await lane.inspect())[19], 1, 'whoever looks is told');
      const before = await lane.dump();
      // Takers first: a settlement closes the lane.
      for (const name of TAKERS[part]) {
        const answer: unknown = await calls[name](used).catch((error: unknown) => error);
        // A lane without its keys knows of no hold that ended, and takes nothing again.
        t.match(answer, { message: TORN }, name);
      }
      t.same(await lane.dump(), before, 'nothing was written');
      for (const name of SETTLERS[part]) {
        const fence = await fenceOf(lane);
        t.same(await calls[name](used), ['absent'], `${name} is left to the load`);
        t.ok((await fenceOf(lane)) > fence, 'a permission to open that was asked for before is void');
        t.equal((await lane.inspect())[0], 'rebuilding');
        const { state: _, ...parts } = await lane.dump();
        const { state: _before, ...partsBefore } = before;
        t.same(parts, partsBefore, 'of the parts nothing was written');
      }
      await lane.trimAll();
      await lane.close({ force: true });
      t.same(await lane.open(1), ['torn']);
      t.same(await lane.loadChunk({ epoch: 2 }), ['loaded', 0]);
      t.same(await lane.open(2), ['opened'], 'a load mends it');
    });
  }
}

await t.test(
  'a settlement or return that finds nothing is absent only where nothing is missing',
  async (t) => {
    const used = await useLane();
    const { lane, live, paid } = used;
    t.same(await lane.settle(paid, 'paid'), ['absent']);
    t.same(await lane.giveBack(live, 1, { a: [1, 1] }), ['absent']);
    await redis.del(lane.keys.holds, lane.keys.keys);
    t.equal((await lane.inspect())[0], 'open');
    t.same(await lane.giveBack(paid, 2, { a: [1, 1] }), ['absent']);
    t.equal((await lane.inspect())[0], 'rebuilding', 'the load asks PostgreSQL for what was returned');
    t.same(await lane.settle(live, 'expired'), ['absent']);
  },
);

await t.test('a part that goes away between two chunks stops the load', async (t) => {
  const { lane } = await useLane();
  await lane.trimAll();
  await lane.close({ force: true });
  t.same(await lane.loadChunk({ epoch: 2, isLast: false }), ['loaded', 0]);
  await redis.del(lane.keys.returns);
  t.same(await lane.loadChunk({ epoch: 2, chunk: 1 }), ['torn']);
  t.same(await lane.open(2), ['not_loaded']);
});

await t.test(
  'a stamp is no hold: the lane retires, and nothing is left of one that lost its state',
  async (t) => {
    const lane = await openLane(t, { opensAt: 1, closesAt: 2, holdMs: 1_000 }, [], redis, true);
    await redis.del(lane.keys.state);
    t.match(await lane.inspect(), ['missing', Number, 0, 0]);
    t.same(await lane.retire(), ['missing']);
    const other = await openLane(t, { opensAt: 1, closesAt: 2, holdMs: 1_000 }, [], redis, true);
    const torn = await openLane(t, { opensAt: 1, closesAt: 2, holdMs: 1_000 }, [], redis, true);
    await redis.del(torn.keys.holds);
    t.same(await torn.retire(), ['busy'], 'holds that are away are not holds that ended (INV-2)');
    t.same(await other.retire(), ['retired']);
  },
);

await t.test('each write has a stamp of its own, also when the clock was set back', async (t) => {
  const { lane } = await useLane();
  const future = '9000000000000000';
  for (const part of PARTS) {
    await redis.hset(lane.keys.state, `${part}_stamp`, future);
    await redis.hset(lane.keys[part], STAMP, future);
  }
  await lane.hold({ user: 'a' });
  await lane.hold({ user: 'b' });
  t.same(await redis.hget(lane.keys.holds, STAMP), '9000000000000002');
  t.same(await redis.hget(lane.keys.state, 'buyers_stamp'), '9000000000000002');
  t.same(await redis.hget(lane.keys.keys, STAMP), future, 'what was not written keeps its own');
});
