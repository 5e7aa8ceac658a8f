import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { readUse, spentBetween, type ProcessUse } from '../measure/cpu.ts';
import { startGenerator, type LoadResult } from '../generator/generator-process.ts';
import { History } from '../audit/history.ts';
import type { Live, Point } from './live.ts';
import { OrderLagProbe, type OrderLag } from '../measure/order-lag.ts';
import type { Sample } from '../generator/latency-recorder.ts';
import { closeSale, createSale, readSale } from '../target/sale.ts';
import type { Extra, LoadScenario, ScenarioContext, ScenarioPlan } from '../scenarios/load/load.ts';
import type { Target } from '../target/target.ts';
import { judgeByEngines, judgeByHttp, readBaseline, readHistory, type Verdict } from '../audit/verdict.ts';
import { watchTotals } from '../audit/watch.ts';

export interface RunResult {
  saleId: string;
  plan: ScenarioPlan;
  load: LoadResult;
  points: Point[];
  orderLag: OrderLag | undefined;
  /** CPU seconds in the measured window, by process. */
  cpuSeconds: Record<string, number>;
  extra: Extra;
  verdict: Verdict;
}

export interface RunOptions {
  target: Target;
  scenario: LoadScenario;
  plan: ScenarioPlan;
  seed: number;
  live: Live;
}

const LAG_MS = 30_000;
/**
 * Time between the moment when everything is known of the sale and the first request. The generator's start
 * signal needs this time.
 */
const START_MS = 300;

/** Runs one load against one new sale, watches it, and judges it in the end. */
export async function runScenario({ target, scenario, plan, seed, live }: RunOptions): Promise<RunResult> {
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  const context: ScenarioContext = { target, saleId, plan, log: live.log };
  const before = await readBaseline(target);
  const observer = new Observer(target, saleId, plan, live);
  const historyFile = join(tmpdir(), `seckill-${saleId}.ndjson`);
  const generator = await startGenerator(
    {
      url: target.url,
      saleId,
      jwtSecret: target.jwtSecret,
      model: plan.model,
      traffic: plan.traffic,
      warmUpMs: plan.warmUpMs,
      seed,
      historyFile,
    },
    observer,
  );
  try {
    const opensAt = Date.now() + plan.opensInMs;
    await createSale(target, saleId, plan.sale, opensAt);
    const history = new History();
    if (plan.isSoldOutBefore) await sellOut(target, saleId, plan, history);
    await scenario.begin?.(context);
    observer.begin(generator.pid);
    const startAt = plan.opensInMs > 0 ? Math.max(opensAt, Date.now() + START_MS) : Date.now() + START_MS;
    const load = await generator.run(startAt);
    const extra = (await scenario.end?.(context, load)) ?? { figures: {}, findings: [] };
    const observed = await observer.finish();
    live.log('waiting until everything has arrived, then comparing the engines');
    readHistory(historyFile, saleId, history);
    const judged =
      target.engines === undefined
        ? await judgeByHttp(target, saleId, plan.sale, history)
        : await judgeByEngines(target, saleId, history, before);
    const findings = [
      ...judged.findings,
      ...observed.findings,
      ...extra.findings,
      ...(scenario.expect?.(load) ?? []),
    ];
    const verdict = { ...judged, findings, holds: findings.length === 0 };
    const { points, orderLag, cpuSeconds } = observed;
    return { saleId, plan, load, points, orderLag, cpuSeconds, extra, verdict };
  } finally {
    generator.stop();
    await observer.finish();
    await closeSale(target, saleId);
    rmSync(historyFile, { force: true });
  }
}

/** Lets one buyer take everything. */
async function sellOut(target: Target, saleId: string, plan: ScenarioPlan, history: History): Promise<void> {
  const userId = 'bench-first';
  for (const { sku, total } of plan.sale.items) {
    const key = `all-of-${sku}`;
    const response = await target.http.request({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      headers: {
        authorization: `Bearer ${target.tokenOf(userId)}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ lines: [{ sku, quantity: total }] }),
    });
    const body = await response.body.text();
    if (response.statusCode !== 201) throw new Error(`selling out: ${response.statusCode} ${body}`);
    history.accept(saleId, userId, key, body);
  }
}

interface Observed {
  points: Point[];
  orderLag: OrderLag | undefined;
  cpuSeconds: Record<string, number>;
  findings: string[];
}

/** Reads the engines and the processes while the generator runs. */
class Observer {
  readonly #target: Target;
  readonly #saleId: string;
  readonly #live: Live;
  readonly #total: number;
  readonly #points: Point[] = [];
  #pids: Record<string, number> = {};
  #lag: OrderLagProbe | undefined;
  #stopWatch: ReturnType<typeof watchTotals> | undefined;
  #atOpen: Record<string, ProcessUse> = {};
  #cpuSeconds: Record<string, number> = {};
  #looking: Promise<void> = Promise.resolve();
  #finished: Promise<Observed> | undefined;

  constructor(target: Target, saleId: string, plan: ScenarioPlan, live: Live) {
    this.#target = target;
    this.#saleId = saleId;
    this.#live = live;
    this.#total = plan.sale.items.reduce((sum, { total }) => sum + total, 0);
  }

  begin(generatorPid: number): void {
    const { engines, pids } = this.#target;
    this.#pids = { generator: generatorPid, ...pids };
    if (engines === undefined) return;
    this.#lag = new OrderLagProbe(engines);
    this.#stopWatch = watchTotals(engines, [this.#saleId]);
  }

  onSample = (sample: Sample): void => {
    // Looks run one after the other. A slow look delays a line and never piles up beside the load.
    this.#looking = this.#looking
      .then(() => this.#look(sample))
      .catch((error: unknown) => {
        this.#live.log(`second ${sample.second} could not be shown: ${String(error)}`);
      });
  };

  onProbe = (orderId: string, at: number): void => {
    this.#lag?.add(orderId, at);
  };

  onWindow = (edge: 'open' | 'close'): void => {
    this.#lag?.measure(edge === 'open');
    if (edge === 'open') this.#atOpen = readUse(this.#pids);
    else this.#cpuSeconds = spentBetween(this.#atOpen, readUse(this.#pids));
  };

  finish(): Promise<Observed> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  async #finish(): Promise<Observed> {
    await this.#looking;
    const orderLag = await this.#lag?.finish(LAG_MS);
    const watched = await this.#stopWatch?.();
    this.#live.end();
    return {
      points: this.#points,
      orderLag,
      cpuSeconds: this.#cpuSeconds,
      findings: (watched?.findings ?? []).map(({ invariant, text }) => `${invariant}: ${text}`),
    };
  }

  async #look(sample: Sample): Promise<void> {
    const { engines } = this.#target;
    const point: Point = {
      ...sample,
      // What cannot be read in this second is unknown. What the generator counted in it stands all the same.
      unitsLeft: await this.#readUnitsLeft().catch(() => null),
      orderLagP99Ms: this.#lag?.takeP99() ?? null,
      outbox: (await engines?.outboxLength(this.#saleId).catch(() => null)) ?? null,
    };
    this.#points.push(point);
    this.#live.show(point, this.#total);
  }

  async #readUnitsLeft(): Promise<number | null> {
    const { engines } = this.#target;
    const items =
      engines === undefined
        ? (await readSale(this.#target, this.#saleId))?.items
        : await engines.items(this.#saleId);
    return items?.reduce((sum, { available }) => sum + available, 0) ?? null;
  }
}
