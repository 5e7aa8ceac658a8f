// Goal: faults at random moments, a PostgreSQL that is restored, and what an operator is told while an engine
// is away, one file after the other on one stack; each file also runs alone.
// Method: the files themselves, in .taprc left out of what is found, because they are run here, by
// `npm run test:faults`: campaigns, copies of PostgreSQL's files and the death of each engine take minutes.
import t from 'tap';
import { shareStack } from '../support/stack.ts';

t.setTimeout(600_000);
// The plan counts the tests of all files. Without it tap would end while a file is read and no test of it
// runs yet.
t.plan(13);
await shareStack(t, 'fault-campaigns');
await import('./redis-tail.test.ts');
await import('./rebuilders.test.ts');
await import('./postgres-restored.test.ts');
await import('./explain.test.ts');
