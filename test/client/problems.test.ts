// Goal: every error that the contract names has an example that the system answered, in both languages, and
// the system still answers it. Method: the real system, and gateways beside it with tight limits or without
// stock or order; each answer of each operation is provoked in both languages and compared with what
// `/openapi.json` shows, but for ids and instants. `SECKILL_UPDATE_SNAPSHOTS=1` writes what came into
// services/gateway/examples/problems.json.
import t from 'tap';
import { buildStack } from '../support/stack.ts';
import { makeGoodCalls, readOperations, type Document } from './problems/calls.ts';
import * as conflicts from './problems/conflicts.ts';
import { provokeOfDeadLetters } from './problems/dead-letters.ts';
import * as outages from './problems/outages.ts';
import { examplesOf, Recorder } from './problems/recorder.ts';
import * as refusals from './problems/refusals.ts';

const isUpdate = process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1';
const system = await buildStack(t, 'client-problems');
const { info } = system.stack;
const document = JSON.parse((await system.send({ path: '/openapi.json' })).text) as Document;
const operations = readOperations(document);
const recorder = new Recorder(operations, info.gateway);
t.teardown(() => recorder.close());
const good = await makeGoodCalls(system, 'u1');
const deps = { system, recorder, good, operations };

/** The codes that an operation may answer, as its schemas say. */
function codesOf({ responses }: (typeof operations)[number]): string[] {
  const text = JSON.stringify(
    Object.entries(responses)
      .filter(([status]) => Number(status) >= 400)
      .map(([, response]) => response),
  );
  return [...text.matchAll(/"code":\{"type":"string","enum":(\[[^\]]*\])/g)].flatMap(
    ([, list = '[]']) => JSON.parse(list) as string[],
  );
}

await t.test('the answers are provoked', async (t) => {
  await conflicts.makeSales(system);
  const made = await conflicts.makeConflicts(system, recorder, good, operations);
  await refusals.provokeRefusals(deps);
  await refusals.provokeAbsence(deps);
  await conflicts.provokeOfSales(made);
  await conflicts.provokeOfReservations(made);
  await conflicts.provokeOfOrders(made);
  await conflicts.provokeOfNotices(made, good);
  await provokeOfDeadLetters(made);
  await conflicts.provokeOfWebhooks(made);
  await refusals.provokeLimits(t, deps);
  await outages.provokeUnconfirmed(deps);
  await outages.provokeOutages(t, deps);
  t.ok(recorder.answers.size > 300, `${recorder.answers.size} answers of ${operations.length} operations`);
  if (isUpdate) recorder.write();
});

await t.test('what an operation answers stands in its contract, as it came', (t) => {
  for (const operation of operations) {
    const codes = codesOf(operation);
    const shown = examplesOf(document, operation);
    for (const [key, answer] of recorder.answers) {
      const [id, code = ''] = key.split(' ');
      if (id !== operation.id) continue;
      t.ok(codes.includes(code), `${id} may answer ${code}`);
      if (!isUpdate) t.same(shown.get(code), answer, `${id} shows how ${code} came`);
    }
  }
  t.end();
});

await t.test('every answer of the contract was provoked', (t) => {
  const missing = operations.flatMap((operation) =>
    codesOf(operation)
      .map((code) => `${operation.id} ${code}`)
      .filter((key) => !recorder.answers.has(key)),
  );
  t.same(missing, []);
  t.end();
});
