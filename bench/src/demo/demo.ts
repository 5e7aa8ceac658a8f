import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { formatInstant, type DemoResult, type Sale } from '@seckill/contracts';
import { flag, outputFile, runCommand, stackName, wholeNumber, type Values } from '@seckill/runtime';
import { onEnd, signToken, startStack, type Stack, type StackInfo } from '@seckill/stack';
import { Pool } from 'undici';
import { judge, judgeResale, type Finding } from '../audit/judge.ts';
import { readSettled, type Reading } from '../audit/reading.ts';
import { planCrowd, type Buyer } from './buyers.ts';
import { runCrowd } from './crowd.ts';
import { EngineReader } from '../engines/engines.ts';
import { History } from '../audit/history.ts';
import { showProgress } from './progress.ts';
import { formatBoard, readBoard } from './partner-board.ts';
import { Provider } from './provider.ts';
import { seededRandom } from '../random.ts';
import { formatAudit, formatVerdicts, resultOf } from './report.ts';
import { watchHolds, type ResaleDelays } from '../audit/resale.ts';
import { mangoes1000 } from '../scenarios/mangoes-1000.ts';
import { oranges2000 } from '../scenarios/oranges-2000.ts';
import { totalOf, type Scenario } from '../scenarios/scenario.ts';
import { watchTotals } from '../audit/watch.ts';
import { transportOver, WayIn } from './way-in.ts';

const HELP = `npm run demo -- [options]

Starts Redis, Kafka, Postgres and the three services and sells 2,000 oranges and 1,000 mangoes to a crowd over HTTP:
most pay, some cancel, some walk away, and their units are sold again. Then it proves from the engines' own contents
that not one unit too many was sold and not one buyer lost. Exit code 0 only when every invariant holds.

  --json FILE    also write the result as JSON
  --keep         leave everything running afterwards, until Ctrl-C; a process that dies ends it, with exit code 1
  --buyers N     size of the crowd (default: 3 to 4 buyers per unit on offer)
  --seed N       replay the crowd of an earlier run
  --name NAME    name of the stack under .run/ (default: demo; --stack is the same)
  --help         this text
`;

const SCENARIOS: readonly Scenario[] = [oranges2000, mangoes1000];
const OPENS_IN_MS = 3_000;
/**
 * The hold is short, so that the units of buyers who walk away come back while the audience watches. In life
 * a hold lasts minutes.
 */
const HOLD_SECONDS = 8;
/** Longer than the sales' own windows, which a slow machine may need for the crowd alone. */
const WINDOW_MS = 3_600_000;
/** Clicks of the whole crowd that are under way at a time; half as many checkouts. */
const PLACES = 128;
const SETTLE_TIMEOUT_MS = 60_000;

const OPTIONS = {
  json: outputFile,
  keep: flag,
  buyers: wholeNumber(1, 1_000_000),
  seed: wholeNumber(0, 2 ** 31),
  name: stackName,
};

type DemoValues = Values<typeof OPTIONS>;

async function openSales(http: Pool, info: StackInfo): Promise<number> {
  const opensAt = Date.now() + OPENS_IN_MS;
  const token = await signToken(info.jwtSecret, { userId: 'operator', isOperator: true });
  for (const { sale } of SCENARIOS) {
    const response = await http.request({
      method: 'POST',
      path: '/v1/sales',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...sale,
        holdSeconds: HOLD_SECONDS,
        opensAt: formatInstant(opensAt),
        closesAt: formatInstant(opensAt + WINDOW_MS),
      }),
    });
    const body = await response.body.text();
    if (response.statusCode !== 201) throw new Error(`creating ${sale.id}: ${response.statusCode} ${body}`);
    const { state, items } = JSON.parse(body) as Sale;
    console.log(`${sale.id}: ${items.map(({ sku, total }) => `${total} × ${sku}`).join(', ')}, ${state}`);
  }
  return opensAt;
}

/**
 * How many of the crowd come for which sale. The scenario's own measure decides, or the given number is split
 * in the same proportion.
 */
function crowdSizes(buyers: number | undefined): number[] {
  const sizes = SCENARIOS.map((scenario) => Math.round(totalOf(scenario) * scenario.crowding));
  if (buyers === undefined) return sizes;
  const sum = sizes.reduce((left, right) => left + right, 0);
  return sizes.map((size) => Math.round((size / sum) * buyers));
}

/** Signed before the doors have a time: for ten thousand buyers that takes a slow machine a while. */
async function signTokens(info: StackInfo, buyers: Buyer[]): Promise<Map<string, string>> {
  return new Map(
    await Promise.all(
      buyers.map(async ({ userId }) => [userId, await signToken(info.jwtSecret, { userId })] as const),
    ),
  );
}

async function sell(
  info: StackInfo,
  engines: EngineReader,
  { values, seed }: { values: DemoValues; seed: number },
  signal: AbortSignal,
): Promise<boolean> {
  const history = new History();
  // The way in bounds the connections of the crowd. The demo's own questions take a few more.
  const http = new Pool(info.gateway, { pipelining: 1, headersTimeout: 10_000 });
  const wayIn = new WayIn(transportOver(http), PLACES);
  const saleIds = SCENARIOS.map(({ sale }) => sale.id);
  const sizes = crowdSizes(values.buyers);
  const random = seededRandom(seed);
  const crowds = SCENARIOS.map((scenario, index) => ({
    scenario,
    buyers: planCrowd(scenario, sizes[index] ?? 0, random),
  }));
  const tokens = await signTokens(
    info,
    crowds.flatMap(({ buyers }) => buyers),
  );
  const opensAt = await openSales(http, info);
  console.log(`crowd of ${tokens.size} buyers, seed ${seed}; doors open in 3 s\n`);

  const stopProgress = showProgress({ http, saleIds, history, engines, output: process.stdout });
  const stopWatch = watchTotals(engines, saleIds);
  const stopHolds = watchHolds(engines, saleIds);
  const provider = new Provider(wayIn.checkout, info.webhookSecret);
  await Promise.all(
    crowds.map((crowd) =>
      runCrowd({
        ...crowd,
        opensAt,
        wayIn,
        provider,
        history,
        signal,
        tokenOf: (userId) => tokens.get(userId) ?? '',
      }),
    ),
  );
  const seconds = (Date.now() - opensAt) / 1_000;
  const reading = await readSettled(engines, saleIds, SETTLE_TIMEOUT_MS);
  await stopProgress();
  const watched = await stopWatch();
  const delays = (await stopHolds())(reading.sales.flatMap(({ orders }) => orders));
  const operator = await signToken(info.jwtSecret, { userId: 'operator', isOperator: true });
  const board = await readBoard(http, operator, saleIds);
  await http.close();

  // In a crowded sale there are at least twice as many buyers as units, and most want one or two. Nothing may
  // be left over then.
  const crowded = new Set(
    SCENARIOS.filter((scenario, index) => (sizes[index] ?? 0) >= 2 * totalOf(scenario)).map(
      ({ sale }) => sale.id,
    ),
  );
  const findings = [
    ...watched.findings,
    ...judge(reading, history),
    ...judgeResale(reading, history, delays, crowded),
  ];
  const result = resultOf(reading, history, findings, seconds);
  printOutcome({ reading, findings, result, history, delays, crowded, samples: watched.samples });
  for (const line of ['', ...formatBoard(board)]) console.log(line);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  console.log(result.ok ? '\nEvery invariant holds.' : '\nAn invariant is BROKEN.');
  return result.ok;
}

interface Outcome {
  reading: Reading;
  findings: Finding[];
  result: DemoResult;
  history: History;
  delays: ResaleDelays | undefined;
  crowded: Set<string>;
  /** How often the totals were looked at while the sale ran. */
  samples: number;
}

function printOutcome({ reading, findings, result, history, delays, crowded, samples }: Outcome): void {
  console.log('\nAudit, read from Redis, Kafka and Postgres themselves:\n');
  for (const line of [
    ...formatAudit(reading),
    '',
    ...formatVerdicts(
      findings,
      result.sales.map(({ saleId }) => saleId),
      crowded,
    ),
  ])
    console.log(line);
  console.log(
    `\n${history.answers} answers in ${result.seconds} s, ${history.replays} repeats of a key got the first answer, ` +
      `totals looked at ${samples} times during the sale`,
  );
  if (delays !== undefined) {
    console.log(
      `${delays.count} holds ended unpaid; their units were for sale again after p50 ${delays.p50} ms, max ${delays.max} ms`,
    );
  }
  for (const sale of result.sales) {
    console.log(
      `${sale.saleId}: total ${sale.total}, accepted ${sale.acceptedUnits}, stored ${sale.storedUnits}, ` +
        `live ${sale.liveUnits}, paid ${sale.paidUnits}, oversold ${sale.oversold}`,
    );
  }
}

async function main(values: DemoValues): Promise<number> {
  const seed = values.seed ?? Date.now() % 1_000_000;
  const abort = new AbortController();
  const session: { stack?: Stack; engines?: EngineReader } = {};
  async function stop(): Promise<void> {
    abort.abort();
    await session.engines?.close();
    await session.stack?.stop();
  }
  const watch = onEnd(stop);
  session.stack = await startStack({
    name: values.name ?? 'demo',
    log: (line) => {
      console.log(line);
    },
    // The crowd is a load on purpose. With production limits it would only measure the limiter.
    env: { RATE_LIMIT_USER_MAX: '1000000', RATE_LIMIT_ADDRESS_MAX: '1000000' },
  });
  try {
    const { info } = session.stack;
    session.engines = new EngineReader(info);
    const ok = await sell(info, session.engines, { values, seed }, abort.signal);
    if (values.keep === true) {
      console.log(`\nstill running at ${info.gateway}; Ctrl-C stops everything`);
      const trouble = await Promise.race([session.stack.broken, once(abort.signal, 'abort')]);
      if (typeof trouble === 'string') {
        console.error(`\n${trouble}\n\nStopping everything.`);
        return 1;
      }
    }
    return ok ? 0 : 1;
  } finally {
    // After a signal the signal's own path stops everything and exits with the signal's code.
    if (abort.signal.aborted) await new Promise(() => undefined);
    await stop();
    watch.release();
  }
}

await runCommand({ help: HELP, options: OPTIONS }, main);
