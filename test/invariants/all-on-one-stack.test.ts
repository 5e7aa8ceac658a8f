// Goal: the files that only ask, one after the other on one stack; each file also runs alone.
// Method: the files themselves, in .taprc left out of what is found, because they are run here.
import t from 'tap';
import { shareStack } from '../support/stack.ts';

t.setTimeout(600_000);
// The plan counts the tests of all files. Without it tap would end while a file is read and no test of it
// runs yet.
t.plan(73);
await shareStack(t, 'invariants');
await import('./sales.test.ts');
await import('./reservations.test.ts');
await import('./settle.test.ts');
await import('./race.test.ts');
await import('./hostile-clients.test.ts');
await import('./fairness.test.ts');
await import('./order-list.test.ts');
await import('./sale-list.test.ts');
await import('./sale-events.test.ts');
await import('./steering.test.ts');
await import('./after-sale.test.ts');
await import('./kits.test.ts');
await import('./explain.test.ts');
await import('./sale-file.test.ts');
await import('./late-buyer.test.ts');
