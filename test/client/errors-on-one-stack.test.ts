// Goal: every error of the contract as a running system answers it, and a client that does what
// docs/http-api.md says of each code; one file after the other on one stack. Each also runs alone.
// Method: the files themselves, in .taprc left out of what is found, because they are run here, by
// `npm run test:contract`.
import t from 'tap';
import { shareStack } from '../support/stack.ts';

t.setTimeout(600_000);
// The plan counts the tests of all files. Without it tap would end while a file is read and no test of it
// runs yet.
t.plan(10);
await shareStack(t, 'client-errors');
await import('./table.test.ts');
await import('./table-stops.test.ts');
await import('./problems.test.ts');
