// Goal: what a release of another layout left in Redis may be read wrongly, so it is neither sold nor
// settled, and counts as never loaded, until it is loaded anew (D99).
// Method: a lane as the first release left it, with counts of buyers that only that one reads, and lanes of
// a layout to come.
import t from 'tap';
import { splitSuffix } from '../../../services/stock/src/redis/reservation-id.ts';
import { connect, openLane, type TestLane } from './support/lane.ts';

const redis = await connect(t);

/** The first release wrote `1` once all chunks were in, and opened lanes under Redis' identity alone. */
const LAYOUTS = [
  { name: 'the first layout', loaded: '1', openedUnder: (runId: string) => runId },
  { name: 'a later layout', loaded: '4', openedUnder: (runId: string) => `${runId}:4` },
  { name: 'a part of a later layout', loaded: '4 partly', openedUnder: (runId: string) => `${runId}:4` },
];

async function makeOther(lane: TestLane, { loaded, openedUnder }: (typeof LAYOUTS)[number]): Promise<void> {
  await redis.hset(lane.keys.state, 'loaded', loaded, 'run_id', openedUnder(lane.runId));
  for (const user of await redis.hkeys(lane.keys.buyers)) await redis.hset(lane.keys.buyers, user, '1');
}

const contentsOf = async ({ keys }: TestLane): Promise<Record<string, string>[]> =>
  Promise.all([redis.hgetall(keys.state), redis.hgetall(keys.buyers), redis.hgetall(keys.holds)]);

for (const layout of LAYOUTS) {
  await t.test(`a lane of ${layout.name} neither sells nor settles, and is loaded anew`, async (t) => {
    const lane = await openLane(t, {}, [], redis);
    const suffix = await lane.hold({ user: 'u' });
    const paid = await lane.hold({ user: 'v' });
    t.match(await lane.settle(paid, 'paid'), ['settled']);
    await makeOther(lane, layout);
    const before = await contentsOf(lane);

    t.same(await lane.reserve({ user: 'w' }), ['sale_unavailable', 0]);
    t.same(await lane.settle(suffix, 'expired'), ['absent']);
    t.same(await lane.giveBack(paid, 1, { a: [1, 1] }), ['absent']);
    const [gate, , , , , isLoaded] = await lane.inspect();
    t.same([gate, isLoaded], ['rebuilding', 0]);
    t.same(await lane.control({ version: 2 }), ['not_loaded']);
    // The release that laid the lane out may still be there, and would sell on.
    const [stateBefore, ...restBefore] = before;
    const [state, ...rest] = await contentsOf(lane);
    t.same(rest, restBefore, 'neither buyers nor holds were touched');
    // A settlement voids a permission to open that was asked for before it, also of a lane that is closed.
    const fence = String(Number(stateBefore?.['fence']) + 2);
    t.same(state, { ...stateBefore, gate: 'rebuilding', fence }, 'the lane was closed, and nothing else');

    await redis.hset(lane.keys.holds, splitSuffix(suffix).keyHash, 'a record of that layout');
    t.same(await lane.settle(suffix, 'expired'), ['absent'], 'what cannot be read is no contradiction');

    await lane.close();
    t.same(await lane.open(1), ['not_loaded']);
    await lane.trimAll();
    t.same(await lane.loadChunk({ epoch: 2 }), ['loaded', 0]);
    t.same(await lane.open(2), ['opened']);
    t.match(await lane.reserve({ user: 'w' }), ['reserved']);
  });
}
