// Goal: what the client does on a whole system, one file after the other on one stack; each also runs
// alone. Method: the files themselves, in .taprc left out of what is found, because they are run here.
// faults.test.ts, which kills services and engines, is run by `npm run test:faults` alone.
import t from 'tap';
import { shareStack } from '../support/stack.ts';

t.setTimeout(600_000);
// The plan counts the tests of all files. Without it tap would end while a file is read and no test of it
// runs yet.
t.plan(20);
await shareStack(t, 'client');
await import('./answers.test.ts');
await import('./platforms.test.ts');
await import('./documents.test.ts');
await import('./live.test.ts');
