import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { readUse, spentBetween, type ProcessUse } from '../measure/cpu.ts';
import { startGenerator, type LoadResult } from '../generator/generator-process.ts';
import { History } from '../audit/history.ts';
import type { Point } from '../run/live.ts';
import { OrderLagProbe, type OrderLag } from '../measure/order-lag.ts';
import type { ClosedModel, OpenModel, Traffic } from '../generator/load-plan.ts';
import { closeSale, createSale } from '../target/sale.ts';
import { PLAIN_TRAFFIC, plainSale, PLENTY } from '../scenarios/load/load.ts';
import type { Target } from '../target/target.ts';
import { endedOf } from '../generator/latency-recorder.ts';
import { failuresOf } from '../measure/thresholds.ts';
import { judgeByEngines, readBaseline, readHistory, type Baseline } from '../audit/verdict.ts';

/** `product`: gateway, stock and order. `shop`: a server straight to one engine. `plain`: nothing is sold. */
export interface Side {
  kind: 'product' | 'shop' | 'plain';
  url: string;
  /** Process ids of the processes that work for this side. */
  pids: Record<string, number>;
}

export interface SideLoad {
  model: ClosedModel | OpenModel;
  warmUpMs: number;
  seed: number;
  /** A sale that exists. A new sale is made when the id is absent. */
  saleId?: string;
  traffic?: Traffic;
  /** What an earlier load of the same sale heard. */
  history?: History;
  /**
   * The sale is judged by counts, not row by row, and its order lag is not timed. Callers ask for this when
   * the sale is too large, or when order is paused meanwhile.
   */
  isJudgedByCounts?: boolean;
  /** What the engines held before the sale sold anything. Absent means that nothing was sold yet. */
  before?: Baseline;
  onSecond?: (point: Point) => void;
}

export interface Measured {
  saleId: string;
  load: LoadResult;
  orderLag: OrderLag | undefined;
  /** µs of CPU for each answer, by process, in the measured window. */
  cpuUs: Record<string, number>;
  /** What was wrong. An empty list means that the side sold right. */
  findings: string[];
}

/** A row per unit has to be made first. This is more than any such baseline sells in a window. */
const SHOP_UNITS = 200_000;
const START_MS = 300;
const LAG_MS = 30_000;

/** Runs one load against one side and proves that the side sold right. */
export async function loadSide(target: Target, side: Side, options: SideLoad): Promise<Measured> {
  const saleId = options.saleId ?? `bench-${randomBytes(6).toString('hex')}`;
  const before = side.kind === 'product' ? (options.before ?? (await readBaseline(target))) : undefined;
  if (options.saleId === undefined) await openSale(target, side, saleId);
  const probe =
    side.kind === 'product' && options.isJudgedByCounts !== true && target.engines !== undefined
      ? new OrderLagProbe(target.engines)
      : undefined;
  const historyFile = join(tmpdir(), `seckill-${saleId}.ndjson`);
  const pids: Record<string, number> = { ...side.pids };
  const use: { before: Record<string, ProcessUse>; spent: Record<string, number> } = {
    before: {},
    spent: {},
  };
  const { model, warmUpMs, seed, traffic = PLAIN_TRAFFIC } = options;
  const { jwtSecret } = target;
  const plan = { url: side.url, saleId, jwtSecret, model, traffic, warmUpMs, seed, historyFile };
  const generator = await startGenerator(plan, {
    // Units and outbox are not read beside a measurement.
    onSample: (sample) =>
      options.onSecond?.({
        ...sample,
        unitsLeft: null,
        outbox: null,
        orderLagP99Ms: probe?.takeP99() ?? null,
      }),
    onProbe: (orderId, at) => probe?.add(orderId, at),
    onWindow(edge) {
      probe?.measure(edge === 'open');
      if (edge === 'open') use.before = readUse(pids);
      else use.spent = spentBetween(use.before, readUse(pids));
    },
  });
  pids['generator'] = generator.pid;
  try {
    const load = await generator.run(Date.now() + START_MS);
    const orderLag = await probe?.finish(LAG_MS);
    const history = readHistory(historyFile, saleId, options.history);
    const judged = await judgeSide({ target, side, saleId, history, before, options });
    const { window } = load;
    // A rate made of failures is not a rate.
    const isFailing = failuresOf(window.outcomes) > Math.max(1, endedOf(window)) / 1_000;
    const findings = isFailing ? [...judged, `failures: ${JSON.stringify(window.outcomes)}`] : judged;
    const perAnswer = ([name, seconds]: [string, number]) => [
      name,
      (seconds * 1e6) / Math.max(1, window.answered),
    ];
    const cpuUs = Object.fromEntries(Object.entries(use.spent).map(perAnswer)) as Record<string, number>;
    return { saleId, load, orderLag, cpuUs, findings };
  } finally {
    generator.stop();
    await probe?.finish(0);
    if (side.kind === 'product' && options.isJudgedByCounts !== true) await closeSale(target, saleId);
    rmSync(historyFile, { force: true });
  }
}

async function openSale(target: Target, side: Side, saleId: string): Promise<void> {
  if (side.kind === 'plain') return;
  const units = side.kind === 'shop' ? SHOP_UNITS : PLENTY;
  if (side.kind === 'product') {
    await createSale(target, saleId, plainSale(units), Date.now());
    return;
  }
  const http = new Pool(side.url, { connections: 1, headersTimeout: 60_000 });
  await createSale({ http, operatorToken: target.operatorToken }, saleId, plainSale(units), Date.now());
  await http.destroy();
}

async function judgeSide(parts: {
  target: Target;
  side: Side;
  saleId: string;
  history: History;
  before: Baseline | undefined;
  options: SideLoad;
}): Promise<string[]> {
  const { target, side, saleId, history, before, options } = parts;
  if (side.kind === 'shop') return judgeShop(side, saleId, history);
  if (side.kind === 'plain' || before === undefined) return [];
  // The caller that fills the sale judges it once everything is stored.
  if (options.isJudgedByCounts === true) return [];
  return (await judgeByEngines(target, saleId, history, before)).findings;
}

/**
 * A baseline tells from its engine what it sold. There must be as many orders as were accepted, and not more
 * units than the sale has.
 */
async function judgeShop({ url }: Side, saleId: string, history: History): Promise<string[]> {
  const http = new Pool(url, { connections: 1, headersTimeout: 60_000 });
  const response = await http.request({ method: 'GET', path: `/v1/sales/${saleId}` });
  const counts = (await response.body.json()) as {
    total: number;
    available: number;
    held: number;
    orders: number;
  };
  await http.destroy();
  const findings = [...history.contradictions];
  const { total, available, held, orders } = counts;
  const accepted = history.promised.size;
  if (orders !== accepted || available + held !== total || held > total || available === 0) {
    findings.push(`accepted ${accepted}, and it counts ${JSON.stringify(counts)}`);
  }
  return findings;
}
