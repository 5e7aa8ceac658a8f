// Goal: the faults that leave the system whole, one after the other on one stack; each file also runs alone.
// Method: the files themselves, in .taprc left out of what is found, because they are run here. The two
// campaigns of random moments, postgres-restored.test.ts, which copies PostgreSQL's files, and
// explain.test.ts, which kills each engine, are run by `npm run test:faults` alone.
import { campaign } from '@seckill/testing';
import t from 'tap';
import { shareStack } from '../support/stack.ts';

t.setTimeout(600_000);
const isFull = campaign({ short: 0, full: 1 }) === 1;
// The plan counts the tests of all files. Without it tap would end while a file is read and no test of it
// runs yet.
t.plan(isFull ? 20 : 7);
await shareStack(t, 'faults');
await import('./redis-lost.test.ts');
if (isFull) {
  await import('./redis-tail.test.ts');
  await import('./rebuilders.test.ts');
}
await import('./stock-killed.test.ts');
await import('./returns.test.ts');
await import('./crash.test.ts');
if (isFull) {
  await import('./postgres-restored.test.ts');
  await import('./explain.test.ts');
}
