/**
 * Runs where the engines' own addresses lead to them, inside the node or in compose's network: a crowd at the
 * gateway, then the audit of the engines. The crowd is that of `npm run demo`, or buys until a file is there.
 * What is to be done comes by stdin, for it holds secrets; the verdict goes to stdout.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { signToken } from '@seckill/stack';
import { Pool } from 'undici';
import { History } from '../../bench/src/audit/history.ts';
import { judge, type Finding } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { watchTotals } from '../../bench/src/audit/watch.ts';
import { planCrowd } from '../../bench/src/demo/buyers.ts';
import { runCrowd } from '../../bench/src/demo/crowd.ts';
import { Provider } from '../../bench/src/demo/provider.ts';
import { transportOver, WayIn } from '../../bench/src/demo/way-in.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { mangoes1000 } from '../../bench/src/scenarios/mangoes-1000.ts';
import { oranges2000 } from '../../bench/src/scenarios/oranges-2000.ts';
import { totalOf, type Scenario } from '../../bench/src/scenarios/scenario.ts';
import { judgeTold, openSale } from '../../test/support/aftermath.ts';
import { Rush } from '../../test/support/rush.ts';
import { callerOver, type Caller } from '../../test/support/stack.ts';
import type { CrowdOrder, CrowdVerdict } from './crowd-verdict.ts';

/** A hold of the demo is short, so that units come back while the crowd is there. */
const HOLD_SECONDS = 8;
const PLACES = 64;
const SETTLE_MS = 180_000;
const LOOK_MS = 500;

const order = JSON.parse(await text(process.stdin)) as CrowdOrder;
const http = new Pool(order.gateway, { pipelining: 1, headersTimeout: 10_000 });
const engines = new EngineReader(order);
const random = seededRandom(order.seed);
const caller = callerOver(http, order.jwtSecret);
/** What no client may see: an answer without a code of the contract. */
const odd: string[] = [];

const careful: Caller = {
  ...caller,
  async send(request) {
    const answer = await caller.send(request);
    if (answer.status >= 400 && typeof answer.body['code'] !== 'string')
      odd.push(`${request.path}: ${answer.status} ${answer.text.slice(0, 200)}`);
    return answer;
  },
};

async function sell(scenarios: Scenario[]): Promise<CrowdVerdict> {
  const opensAt = Date.now() + 5_000;
  const window = {
    opensAt: new Date(opensAt).toISOString(),
    closesAt: new Date(opensAt + 3_600_000).toISOString(),
  };
  const token = await caller.token('operator', true);
  const saleIds = scenarios.map(({ sale }) => sale.id);
  for (const { sale } of scenarios) {
    const body = { ...sale, ...window, holdSeconds: HOLD_SECONDS };
    const created = await careful.send({ method: 'POST', path: '/v1/sales', token, body });
    if (created.status !== 201) throw new Error(`${sale.id}: ${created.status} ${created.text}`);
  }
  const history = new History();
  const wayIn = new WayIn(transportOver(http), PLACES);
  const provider = new Provider(wayIn.checkout, order.webhookSecret);
  const stopWatch = watchTotals(engines, saleIds);
  await Promise.all(
    scenarios.map((scenario) =>
      runCrowd({
        scenario,
        // Everyone keeps trying, so that no unit is left over.
        buyers: planCrowd(scenario, Math.round(totalOf(scenario) * scenario.crowding), random).map(
          (buyer) => ({
            ...buyer,
            isPatient: true,
          }),
        ),
        opensAt,
        wayIn,
        provider,
        history,
        signal: AbortSignal.timeout(900_000),
        tokenOf: (userId) => signToken(order.jwtSecret, { userId, isOperator: false }),
      }),
    ),
  );
  const reading = await readSettled(engines, saleIds, SETTLE_MS);
  const watched = await stopWatch();
  return verdictOf([...watched.findings, ...judge(reading, history)], {
    promised: history.promised.size,
    paid: reading.sales.flatMap(({ lane }) => lane.items).reduce((sum, item) => sum + item.paid, 0),
    samples: watched.samples,
  });
}

async function rush(saleId: string, stopFile: string): Promise<CrowdVerdict> {
  await openSale(careful, saleId);
  const stopWatch = watchTotals(engines, [saleId], true);
  const buyers = new Rush({ client: careful, saleId, random, shoppers: 4 });
  while (!existsSync(stopFile)) {
    writeFileSync(`${stopFile}.promised`, String(buyers.promised));
    await sleep(LOOK_MS);
  }
  await buyers.stop();
  const keys = await buyers.repeatKeys();
  const reading = await readSettled(engines, [saleId], SETTLE_MS);
  const watched = await stopWatch();
  const told = judgeTold(reading, buyers).map((words) => ({ invariant: 'told', text: words }));
  const unsettled = buyers.unsettled.map((words) => ({ invariant: 'unsettled', text: words }));
  const findings = [...watched.findings, ...judge(reading, buyers.history), ...told, ...unsettled];
  return verdictOf(findings, { promised: buyers.promised, keys, samples: watched.samples });
}

function verdictOf(
  findings: (Pick<Finding, 'text'> & { invariant: string })[],
  figures: Record<string, number>,
): CrowdVerdict {
  return {
    findings: findings.slice(0, 20).map(({ invariant, text: words }) => `${invariant}: ${words}`),
    odd,
    figures,
  };
}

const verdict =
  order.stopFile === undefined ? await sell([oranges2000, mangoes1000]) : await rush('rush', order.stopFile);
process.stdout.write(`${JSON.stringify(verdict)}\n`);
await engines.close();
await http.close();
