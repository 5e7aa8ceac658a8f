// Goal: the faults that leave the system whole, one after the other on one stack; each file also runs alone.
// Method: the files themselves, in .taprc left out of what is found, because they are run here.
// campaigns-on-one-stack.test.ts has those that take longer.
import t from 'tap';
import { shareStack } from '../support/stack.ts';

t.setTimeout(600_000);
// The plan counts the tests of all files. Without it tap would end while a file is read and no test of it
// runs yet.
t.plan(7);
await shareStack(t, 'faults');
await import('./redis-lost.test.ts');
await import('./stock-killed.test.ts');
await import('./returns.test.ts');
await import('./crash.test.ts');
