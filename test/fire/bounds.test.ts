// Goal: a run waits as long as documented on a quiet machine, longer on a slow one, and never for ever.
// Method: times of buyers before the first fault, as a run measures them.
import t from 'tap';
import { boundsOf, LONGEST } from './bounds.ts';

void t.test('a quiet machine has the documented bounds', (t) => {
  const { slowness, progress, definite, rest } = boundsOf([120, 90, 480]);
  t.same(
    { slowness, progress, definite, rest },
    { slowness: 1, progress: 60_000, definite: 60_000, rest: 90_000 },
  );
  t.end();
});

void t.test('a slow one has longer bounds, by the middle one of its times', (t) => {
  const { slowness, progress, rest } = boundsOf([1_000, 200, 40_000]);
  t.same({ slowness, progress, rest }, { slowness: 2, progress: 120_000, rest: 180_000 });
  t.end();
});

void t.test('a system that stands still is found on any machine', (t) => {
  t.same(boundsOf([90_000, 90_000, 90_000]), LONGEST);
  t.equal(LONGEST.progress, 300_000);
  t.end();
});
