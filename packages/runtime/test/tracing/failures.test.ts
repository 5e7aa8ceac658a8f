// Goal: a collector that does not take spans is told once, also when the exporter does not say why, and once
// more when it is back. Method: an exporter whose answers are given.
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import { test } from 'tap';
import { tellFailures } from '../../src/tracing/tracing.ts';

type Result = Parameters<Parameters<SpanExporter['export']>[1]>[0];
/** The enum of these codes lies in a package that nothing here uses. */
const [TAKEN, FAILED] = JSON.parse('[0, 1]') as [Result['code'], Result['code']];

await test('a failed export is told by its code, once, and so is that the collector is back', async (t) => {
  const answers: Result[] = [
    { code: TAKEN },
    { code: FAILED },
    { code: TAKEN },
    { code: FAILED, error: new Error('away') },
    { code: FAILED },
  ];
  const told: string[] = [];
  const log = (...words: unknown[]) => told.push(String(words.at(-1)));
  const exporter = tellFailures(
    {
      export(_spans, done) {
        done(answers.shift() ?? { code: TAKEN });
      },
      shutdown: async () => undefined,
    },
    { warn: log, info: log },
  );
  const passedOn: number[] = [];
  for (let count = 0; count < 5; count += 1) exporter.export([], ({ code }) => passedOn.push(code));
  t.same(passedOn, [0, 1, 0, 1, 1], 'whoever exports hears it too');
  t.same(
    told.map((line) => line.replace(/^tracing: /, '')),
    [
      'spans are lost, the collector does not take them',
      'the collector takes spans again',
      'spans are lost, the collector does not take them',
    ],
  );
});
