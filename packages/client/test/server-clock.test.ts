// Goal: the countdown goes by the server's clock, whatever the phone's clock says. Method: readings of
// a clock whose truth is known.
import t from 'tap';
import { createServerClock } from '../src/server-clock.ts';

await t.test('the most exact reading counts, until it is old or contradicted', async (t) => {
  let local = 1_000_000;
  const clock = createServerClock(() => local);
  t.equal(clock.now(), local, 'before the first answer it is the own clock');
  t.notOk(clock.isKnown());

  // The phone is an hour behind.
  clock.learn(local + 3_600_400, 550, local);
  t.equal(clock.now(), local + 3_600_400, 'a date, cut to its second');
  clock.learn(local + 3_600_000, 20, local);
  t.equal(clock.now(), local + 3_600_000, 'an exact one');
  clock.learn(local + 3_600_300, 550, local);
  t.equal(clock.now(), local + 3_600_000, 'a worse one that agrees changes nothing');

  local += 500_000;
  clock.learn(local + 60_000, 550, local);
  t.equal(clock.now(), local + 60_000, 'the phone was set: what contradicts counts');
  local += 700_000;
  clock.learn(local + 60_200, 600, local);
  t.equal(clock.now(), local + 60_200, 'what is old goes');
});
