// Goal: a seed repeats the faults of a run, and over the seeds every kind of fault meets every kind of
// target.
// Method: rounds are drawn, nothing is run.
import t from 'tap';
import { seededRandom } from '../../bench/src/random.ts';
import { HURTS } from './link.ts';
import { drawRound } from './plan.ts';

const targets = {
  processes: ['gateway-1', 'stock-1', 'order-1'],
  ways: ['gateway-1 > stock', 'stock-1 > redis', 'all > kafka'],
};
const draw = (seed: number, rounds: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: rounds }, () => drawRound(random, targets));
};

await t.test('the same seed draws the same rounds, another draws others', async (t) => {
  t.same(draw(7, 20), draw(7, 20));
  t.notSame(draw(7, 20), draw(8, 20));
});

await t.test('a round has one to three faults, each of another target', async (t) => {
  for (const round of draw(1, 500)) {
    t.ok(round.length >= 1 && round.length <= 3);
    t.equal(new Set(round.map(({ target }) => target)).size, round.length);
  }
});

await t.test('everything is drawn at times', async (t) => {
  const drawn = new Set(
    draw(2, 3_000).flatMap((round) => round.map(({ kind, target }) => `${target}: ${kind}`)),
  );
  for (const name of targets.processes)
    t.ok(drawn.has(`${name}: killed`) && drawn.has(`${name}: frozen`), name);
  for (const name of targets.ways)
    for (const kind of HURTS) t.ok(drawn.has(`${name}: ${kind}`), `${name} ${kind}`);
  const engines = [
    'redis: killed',
    'redis: frozen',
    'redis: emptied',
    'redis: old AOF put back',
    'redis: AOF cut',
  ];
  const more = ['redis: connections killed', 'postgres: killed', 'postgres: backends ended', 'kafka: killed'];
  for (const name of [...engines, ...more, 'kafka: frozen']) t.ok(drawn.has(name), name);
});
