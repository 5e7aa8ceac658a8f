// Goal: whatever the gateway answers "sold out" by itself is the very answer of reserve.lua.
// Method: random counts, limits, caps and baskets; the gateway's code judges what inspect.lua read of the
// lane, and the script judges the same request.
import fc from 'fast-check';
import t from 'tap';
import { certainRejection } from '../../../services/gateway/src/memory/certain-rejection.ts';
import { readLaneState } from '../../../services/stock/src/redis/lane-state.ts';
import { toTold } from '../../../services/stock/src/reserve/answer.ts';
import { campaign } from '@seckill/testing';
import { connect, openLane } from './support/lane.ts';

const redis = await connect(t);
const RUNS = campaign({ short: 150, full: 2_000 });

const mostlyNot = fc.constantFrom(false, false, false, true);
const counts = fc.record({
  available: fc.constantFrom(0, 0, 0, 1, 2),
  held: fc.constantFrom(0, 0, 1, 3),
  paid: fc.constantFrom(0, 1),
  isPaused: mostlyNot,
  step: fc.constantFrom(undefined, undefined, 1, 2),
  limit: fc.constantFrom(undefined, undefined, 2),
});
const cap = fc.constantFrom(undefined, 0, 1, 3);
/** Made of the items, so that their lines compete with those of the items. */
const KITS = [
  {
    sku: 'k',
    price: 9,
    parts: [
      { sku: 'a', quantity: 1 },
      { sku: 'b', quantity: 2 },
    ],
  },
  { sku: 'm', price: 9, parts: [{ sku: 'b', quantity: 1 }], step: 2 },
];
const request = fc.record({
  lines: fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'k', 'm'), fc.integer({ min: 1, max: 4 })), {
    minLength: 1,
    maxLength: 3,
    selector: ([sku]) => sku,
  }),
  channel: fc.constantFrom('', 'x', 'y'),
});

await t.test('what the gateway says of sold-out and paused items is what the script says', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  let version = 1;
  let certain = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(counts, counts),
      fc.constantFrom(undefined, 1, 3),
      fc.tuple(cap, cap),
      request,
      async ([a, b], limitPerBuyer, [x, y], { lines, channel }) => {
        version += 1;
        const channels = [
          { id: 'x', ...(x === undefined ? {} : { cap: x }) },
          { id: 'y', ...(y === undefined ? {} : { cap: y }) },
        ];
        const items = [];
        for (const [sku, { isPaused, step, limit, ...item }] of Object.entries({ a, b })) {
          const total = item.available + item.held + item.paid;
          items.push({
            sku,
            price: 1,
            total,
            ...(isPaused ? { paused: true as const } : {}),
            ...(step === undefined ? {} : { step }),
            ...(limit === undefined ? {} : { limitPerBuyer: limit }),
          });
          const fields = Object.entries({ ...item, total }).flatMap(([name, units]) => [
            `${sku}:${name}`,
            units,
          ]);
          await redis.hset(lane.keys.state, ...fields);
        }
        t.equal((await lane.control({ version, channels, limitPerBuyer, items, kits: KITS }))[0], 'applied');
        const item = {
          saleId: lane.lane.saleId,
          userId: `u${version}`,
          idempotencyKey: `k${version}`,
          lines: lines.map(([sku, quantity]) => ({ sku, quantity })),
          ...(channel === '' ? {} : { channelId: channel }),
        };
        const {
          isLoaded: _loaded,
          fence: _fence,
          ...state
        } = await readLaneState(redis, lane.runId, lane.lane);
        const announced = { ...state, ...lane.lane, salt: '', reservations: [] };
        const bounds = { earliest: state.now, latest: state.now };
        const told = certainRejection(announced, new Set(['x', 'y']), item, {
          asOf: state.now,
          bounds,
        });
        const key = item.idempotencyKey;
        const answer = await lane.reserve({ user: item.userId, key, channel, lines });
        if (told === undefined) return;
        certain += 1;
        t.same(
          told,
          toTold(lane.lane, item, answer).answer,
          JSON.stringify({ a, b, limitPerBuyer, x, y, lines }),
        );
      },
    ),
    { numRuns: RUNS },
  );
  t.ok(certain > RUNS / 5, `${certain} of ${RUNS} were certain`);
});
