// Goal: the gateway never takes the clock of a sale's Redis to be ahead of where it is, however late the
// gateway hears, and not far behind either. Method: random walks of two clocks, and examples.
import fc from 'fast-check';
import type { Reservation, ReserveAnswer } from '@seckill/contracts';
import { campaign } from '@seckill/testing';
import t from 'tap';
import { SaleClocks } from '../../src/upstream/sale-clocks.ts';

const late = (now: number): ReserveAnswer => ({ outcome: 'late', now });
const madeAt = (now: number) => ({ reservedAt: new Date(now).toISOString() }) as Reservation;
const reserved = (now: number): ReserveAnswer => ({
  outcome: 'reserved',
  replayed: false,
  reservation: madeAt(now),
});
const SAID = Date.parse('2026-11-29T00:00:00Z');

await t.test('however long the way and the freezes took, the bound is never above the clock', async () => {
  const step = fc.record({
    /** The time between two calls. Some of these times are longer than a reading lasts. */
    pauseMs: fc.integer({ min: 0, max: 4_000 }),
    /**
     * The time from the script's look at its clock until we hear of it: the way, or a freeze of our process.
     */
    hearMs: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 120_000 })),
    isLate: fc.boolean(),
    /** The time from then until the deadline is made. */
    askMs: fc.integer({ min: 0, max: 12_000 }),
  });
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      // In parts of a millisecond whose sums have no error of rounding, which would be the test's own.
      fc.integer({ min: 0, max: 2 ** 30 }).map((parts) => parts / 1_024),
      (steps, start) => {
        const clocks = new SaleClocks();
        let at = start;
        const truth = (ours: number) => SAID + Math.floor(ours - start);
        for (const { pauseMs, hearMs, isLate, askMs } of steps) {
          const said = truth((at += pauseMs));
          at += hearMs;
          clocks.learn('s', isLate ? late(said) : reserved(said), at);
          const bound = clocks.earliest('s', at + askMs);
          // The last reading is fresh enough, however old the best one is. Stock would otherwise answer
          // `sale_unavailable` for half a second in every ten.
          if (bound === undefined) {
            if (askMs <= 10_000) return false;
            continue;
          }
          if (bound > truth(at + askMs)) return false;
          // The reading that came fastest counts, and the last one if none was faster.
          if (bound < truth(at + askMs) - hearMs - 2) return false;
        }
        return true;
      },
    ),
    { numRuns: campaign({ short: 500, full: 20_000 }) },
  );
});

await t.test('a clock that nobody told is not known', async (t) => {
  const clocks = new SaleClocks();
  const silent: ReserveAnswer[] = [
    { outcome: 'outcome_unknown' },
    { outcome: 'overloaded' },
    { outcome: 'sale_paused' },
    // A replay tells the time at which its key reserved first, which may be hours ago.
    { outcome: 'reserved', replayed: true, orderStatus: 'pending', reservation: madeAt(SAID) },
  ];
  for (const answer of silent) clocks.learn('s', answer, 1_000);
  t.equal(clocks.earliest('s', 1_000), undefined);
  clocks.learn('s', reserved(SAID), 1_000);
  t.equal(clocks.earliest('s', 1_000), SAID);
  t.equal(clocks.earliest('s', 1_500.7), SAID + 500, 'down, never up');
  t.equal(clocks.earliest('other', 1_000), undefined, 'another sale may have another Redis');
});

await t.test('the reading that was heard fastest counts, for ten seconds', async (t) => {
  const clocks = new SaleClocks();
  clocks.learn('s', late(SAID), 1_000);
  clocks.learn('s', late(SAID + 100), 4_000);
  t.equal(clocks.earliest('s', 4_000), SAID + 3_000, 'an answer that was 2.9 s on its way says less');
  clocks.learn('s', late(SAID + 3_050), 4_010);
  t.equal(clocks.earliest('s', 4_010), SAID + 3_050, 'a faster one says more');
  t.equal(clocks.earliest('s', 14_010), SAID + 13_050);
  t.equal(clocks.earliest('s', 14_011), undefined, 'the clocks may have run apart');
  // Redis' clock was set back meanwhile, and the old reading must not outlive its time.
  clocks.learn('s', late(SAID), 14_011);
  t.equal(clocks.earliest('s', 14_011), SAID);
});

await t.test('many sales are forgotten, and learnt anew', async (t) => {
  const clocks = new SaleClocks();
  for (let sale = 0; sale < 1_000; sale += 1) clocks.learn(`s${sale}`, late(SAID), 0);
  t.equal(clocks.earliest('s0', 0), SAID);
  clocks.learn('one-more', late(SAID), 0);
  t.equal(clocks.earliest('s0', 0), undefined);
  t.equal(clocks.earliest('one-more', 0), SAID);
});
