// Goal: a lane goes away a day after its last hold can have ended, when nothing of it is on the way; never
// before.
// Method: windows that lie in the past by Redis' own clock, for control state is absolute.
import t, { type Test } from 'tap';
import { connect, makeLane, openLane, PAST, type TestLane } from './support/lane.ts';

const redis = await connect(t);
const HOLD_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** Sets the sale's end so long ago. Control state is absolute, so no clock needs to be turned. */
async function closedFor(t: Test, lane: TestLane, ms: number): Promise<void> {
  const [seconds, microseconds] = await redis.time();
  const now = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  const control = { opensAt: PAST, closesAt: now - ms, holdMs: HOLD_MS };
  const version = Number(await redis.hget(lane.keys.state, 'version')) + 1;
  t.equal((await lane.control({ ...control, version }))[0], 'applied');
}

const keysLeft = ({ keys }: TestLane): Promise<number> => redis.exists(...Object.values(keys));

await t.test('a lane stays until closesAt + holdMs + 24 h have passed, under any gate', async (t) => {
  for (const gate of ['open', 'rebuilding', 'stale'] as const) {
    const lane = await openLane(t, {}, [], redis);
    if (gate === 'rebuilding') await lane.close({ force: true });
    if (gate === 'stale') await redis.hset(lane.keys.state, 'run_id', 'of-an-earlier-process');
    t.same(await lane.retire(), ['not_due'], `${gate}, long before`);
    await closedFor(t, lane, DAY_MS + HOLD_MS - 2_000);
    const before = await lane.dump();
    t.same(await lane.retire(), ['not_due'], `${gate}, 2 s before`);
    t.same(await lane.dump(), before);
    await closedFor(t, lane, DAY_MS + HOLD_MS);
    t.same(await lane.retire(), ['retired'], gate);
    t.equal(await keysLeft(lane), 0);
    t.same(await lane.retire(), ['missing'], 'a repeat');
  }
});

await t.test('a lane stays while it has holds or outbox entries', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const suffix = await lane.hold();
  await closedFor(t, lane, DAY_MS + HOLD_MS);
  t.same(await lane.retire(), ['busy'], 'both');
  await lane.lease('one', 10_000);
  await lane.trim('one', '1-1');
  t.same(await lane.retire(), ['busy'], 'a hold');
  await lane.settle(suffix, 'expired');
  t.same(await lane.retire(), ['retired']);
  t.same(await lane.settle(suffix, 'expired'), ['absent'], 'a settlement that comes later');

  const other = await openLane(t, {}, [], redis);
  const paid = await other.hold();
  await other.settle(paid, 'paid');
  await closedFor(t, other, DAY_MS + HOLD_MS);
  t.same(await other.retire(), ['busy'], 'an entry that Kafka has not confirmed');
});

await t.test('what is left of a lane that lost its state keeps it (INV-2)', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.hold();
  await redis.del(lane.keys.state);
  t.same(await lane.retire(), ['busy'], 'both');
  t.same((await lane.inspect()).slice(2), [1, 1], 'and is told');
  await lane.trimAll();
  t.same(await lane.retire(), ['busy'], 'a hold');
  await redis.del(lane.keys.holds);
  t.same(await lane.retire(), ['missing']);
});

await t.test('a lane that was never created is missing, one that was not loaded is not due', async (t) => {
  const lane = await makeLane(t, redis);
  t.same(await lane.retire(), ['missing']);
  t.equal(await keysLeft(lane), 0);
  await lane.close();
  t.same(await lane.retire(), ['not_due']);
});
