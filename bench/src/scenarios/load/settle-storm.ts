import { setTimeout as sleep } from 'node:timers/promises';
import { openModel, PLAIN_TRAFFIC, plainSale, CROWD_OPTIONS, type LoadScenario } from './load.ts';
import { readSettled } from '../../audit/reading.ts';
import { watchHolds } from '../../audit/resale.ts';

const BUYERS = 2_000;
const HOLD_SECONDS = 4;
/** The bound that INV-5 sets and the audit checks. */
const RETURN_MS_MAX = 2_000;
const RETURNED_MS = 60_000;

let stopWatch: ReturnType<typeof watchHolds> | undefined;

/** Nobody pays. Every hold ends within two seconds of the others, and all units must be for sale again. */
export const settleStorm: LoadScenario = {
  name: 'settle-storm',
  summary: `all holds end unpaid at about the same time; their way back to being for sale (needs the engines)`,
  takes: CROWD_OPTIONS,
  needs: 'engines',
  plan(options) {
    const count = options.buyers ?? BUYERS;
    const durationMs = 1_000 * (options.durationSeconds ?? 4);
    return {
      sale: plainSale(count, HOLD_SECONDS),
      opensInMs: 0,
      isSoldOutBefore: false,
      model: openModel({ shape: 'spike', count, share: 1, withinMs: durationMs / 2, durationMs }, options),
      traffic: PLAIN_TRAFFIC,
      warmUpMs: 0,
      limits: { errorRate: 0.01 },
    };
  },
  async begin({ target: { engines }, saleId }) {
    if (engines === undefined) throw new Error('settle-storm reads the holds in Redis: give the engine URLs');
    stopWatch = watchHolds(engines, [saleId]);
  },
  async end({ target: { engines }, saleId, log }) {
    if (engines === undefined || stopWatch === undefined) throw new Error('settle-storm did not begin');
    log('waiting until every hold has ended');
    const deadline = performance.now() + RETURNED_MS;
    let held = Infinity;
    while (held > 0 && performance.now() < deadline) {
      held = (await engines.items(saleId)).reduce((sum, item) => sum + item.held, 0);
      await sleep(100);
    }
    const measure = await stopWatch();
    const [reading] = (await readSettled(engines, [saleId], RETURNED_MS)).sales;
    const delays = measure(reading?.orders ?? []);
    const findings = held > 0 ? [`${held} units were never returned`] : [];
    if (delays === undefined) findings.push('no hold was seen to come back');
    if ((delays?.provenMax ?? 0) > RETURN_MS_MAX) {
      findings.push(`INV-5: units were still away ${delays?.provenMax ?? 0} ms after their hold's end`);
    }
    return {
      figures: {
        returned_holds: delays?.count ?? 0,
        return_p50_ms: delays?.p50 ?? 0,
        return_max_ms: delays?.max ?? 0,
      },
      findings,
    };
  },
};
