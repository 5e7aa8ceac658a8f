import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sale } from '@seckill/contracts';
import { judge, type Finding } from './judge.ts';
import { readSettled, type Reading } from './reading.ts';
import { liveOrders, unitsOf } from './units.ts';
import { History } from './history.ts';
import type { HistoryLine } from '../generator/latency-recorder.ts';
import { readSale, type SaleDraft } from '../target/sale.ts';
import type { Target } from '../target/target.ts';

/**
 * What is counted on the way from the buyer to the row. A count is undefined where only HTTP could be asked.
 */
export interface Counts {
  total: number;
  /** Reservations that were answered 201, each counted once. */
  accepted: number;
  holds?: number;
  kafka?: number;
  rows?: number;
}

export interface Verdict {
  /**
   * `engines`: the counts were read from Redis, Kafka and Postgres themselves. `http`: the counts are what
   * the API tells, which proves less.
   */
  scope: 'engines' | 'http';
  holds: boolean;
  counts: Counts;
  oversold: number;
  findings: string[];
}

/** What the engines held before the run, so that only this run is judged. */
export interface Baseline {
  kafkaEnds: Map<number, number>;
  deadLetters: number;
}

export async function readBaseline({ engines }: Target): Promise<Baseline> {
  if (engines === undefined) return { kafkaEnds: new Map(), deadLetters: 0 };
  return { kafkaEnds: await engines.reservationEnds(), deadLetters: await engines.deadLetters() };
}

export function readHistory(file: string, saleId: string, history = new History()): History {
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as HistoryLine;
    if (line[0] === 'accepted') history.accept(saleId, line[1], line[2], line[3]);
    else if (line[0] === 'rejected') history.reject(saleId, line[1]);
    else if (line[0] === 'paid') history.paid(line[1], 'paid');
    else if (line[1] === 'reserve') history.unresolved.push({ saleId, idempotencyKey: line[2] });
    else history.unsettled += 1;
  }
  return history;
}

/** What is in flight must land within this time. A run that takes longer is broken. */
const SETTLE_MS = 180_000;

/**
 * Judges that accepted reservations, holds, Kafka messages and rows are equal in number, that no total is
 * exceeded, and that limits, ids and keys are right.
 */
export async function judgeByEngines(
  target: Target,
  saleId: string,
  history: History,
  before: Baseline,
): Promise<Verdict> {
  const { engines } = target;
  if (engines === undefined) throw new Error('no engines to read');
  // The rows are read once all of them are there. Reading 100,000 rows again and again would hold up the
  // intake.
  await engines.untilDrained(saleId, SETTLE_MS);
  const reading = await readSettled(engines, [saleId], SETTLE_MS);
  const { ids: kafka } = await engines.publishedIds(saleId, before.kafkaEnds);
  return judgeReading(reading, history, kafka, before.deadLetters);
}

/** Judges one reading. The function is pure, so that a test can bend each reading. */
export function judgeReading(
  reading: Reading,
  history: History,
  kafka: Set<string>,
  deadLettersBefore: number,
): Verdict {
  const [sale] = reading.sales;
  if (sale === undefined) throw new Error('no sale was read');
  const deadLetters = reading.deadLetters - deadLettersBefore;
  const findings = judge({ ...reading, deadLetters }, history).map(textOf);
  const rows = sale.orders.filter(({ status }) => status !== 'refused');
  const total = sale.definition.items.reduce((sum, item) => sum + item.total, 0);
  const counts: Counts = {
    total,
    accepted: history.promised.size,
    // A hold that ended has left Redis. The key and the row of the hold stay.
    holds: sale.lane.holds.size + rows.filter(({ status }) => status !== 'pending').length,
    kafka: kafka.size,
    rows: rows.length,
  };
  if (
    counts.holds !== counts.accepted ||
    counts.kafka !== counts.accepted ||
    counts.rows !== counts.accepted
  ) {
    findings.push(
      `INV-2: accepted ${counts.accepted}, holds ${counts.holds ?? 0}, Kafka ${counts.kafka ?? 0}, rows ${counts.rows ?? 0} differ`,
    );
  }
  const missing = [...history.promised.keys()].filter((id) => !kafka.has(id)).length;
  if (missing > 0) findings.push(`INV-2: ${missing} promised reservations are not in Kafka`);
  const live = liveOrders(sale.orders);
  const oversold = sale.ledger.reduce(
    (sum, { sku, total: most }) => sum + Math.max(0, unitsOf(live, sku) - most),
    0,
  );
  return { scope: 'engines', holds: findings.length === 0, counts, oversold, findings };
}

const textOf = ({ invariant, text }: Finding): string => `${invariant}: ${text}`;

/** Judges a deployment of which only the API is known. */
export async function judgeByHttp(
  target: Target,
  saleId: string,
  draft: SaleDraft,
  history: History,
): Promise<Verdict> {
  const findings = history.contradictions.map((text) => `INV-4: ${text}`);
  const sale = await readCounted(target, saleId, history);
  if (sale === undefined) findings.push('the sale cannot be read');
  const oversold = judgeUnits(draft, sale, history, findings);
  findings.push(...judgeBuyers(draft, history), ...(await judgeOrders(target, history)));
  if (history.unresolved.length > 0) {
    findings.push(`INV-2: ${history.unresolved.length} reservations never got a definite answer`);
  }
  const total = draft.items.reduce((sum, item) => sum + item.total, 0);
  const counts = { total, accepted: history.promised.size };
  return { scope: 'http', holds: findings.length === 0, counts, oversold, findings };
}

/** Counts that anyone may read are at most a second old; a busy machine is given some more. */
const COUNTED_MS = 5_000;

/** @returns the sale, read again until its counts have all that was promised, or COUNTED_MS have passed. */
async function readCounted(target: Target, saleId: string, history: History): Promise<Sale | undefined> {
  const lines = [...history.promised.values()].flatMap(({ reservation }) => reservation.lines);
  const promised = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  const deadline = performance.now() + COUNTED_MS;
  for (;;) {
    const sale = await readSale(target, saleId);
    const counted = sale?.items.reduce((sum, { held, paid }) => sum + held + paid, 0) ?? 0;
    if (counted >= promised || performance.now() > deadline) return sale;
    await sleep(250);
  }
}

/** @returns units promised beyond the total. */
function judgeUnits(draft: SaleDraft, sale: Sale | undefined, history: History, findings: string[]): number {
  const promised = new Map<string, number>();
  for (const { reservation } of history.promised.values()) {
    for (const { sku, quantity } of reservation.lines) promised.set(sku, (promised.get(sku) ?? 0) + quantity);
  }
  let oversold = 0;
  for (const { sku, total } of draft.items) {
    const units = promised.get(sku) ?? 0;
    oversold += Math.max(0, units - total);
    if (units > total) findings.push(`INV-1: ${units} units of ${sku} were promised, there are ${total}`);
    const item = sale?.items.find((one) => one.sku === sku);
    if (item === undefined) continue;
    if (item.available + item.held + item.paid !== item.total) {
      findings.push(`INV-3: ${sku}: the sale's counts do not add up to its total`);
    }
    if (item.held + item.paid < units) {
      findings.push(
        `INV-2: ${units} units of ${sku} were promised, the sale counts ${item.held + item.paid}`,
      );
    }
  }
  return oversold;
}

function judgeBuyers({ limitPerBuyer }: SaleDraft, history: History): string[] {
  if (limitPerBuyer === undefined) return [];
  const byBuyer = new Map<string, number>();
  for (const { reservation, units } of history.promised.values()) {
    byBuyer.set(reservation.userId, (byBuyer.get(reservation.userId) ?? 0) + units);
  }
  const most = Math.max(0, ...byBuyer.values());
  return most > limitPerBuyer
    ? [`INV-6: a buyer was promised ${most} units, the limit is ${limitPerBuyer}`]
    : [];
}

const ASKED_MAX = 50;

/** Asks for up to 50 of the promised orders, evenly chosen, each with its owner's token. */
async function judgeOrders({ http, tokenOf }: Target, history: History): Promise<string[]> {
  const promised = [...history.promised.values()];
  const step = Math.max(1, Math.floor(promised.length / ASKED_MAX));
  const missing: string[] = [];
  for (let index = 0; index < promised.length; index += step) {
    const reservation = promised[index]?.reservation;
    if (reservation === undefined) continue;
    const response = await http.request({
      method: 'GET',
      path: `/v1/orders/${reservation.id}`,
      headers: { authorization: `Bearer ${tokenOf(reservation.userId)}` },
    });
    await response.body.dump();
    if (response.statusCode !== 200) missing.push(reservation.id);
  }
  return missing.length === 0
    ? []
    : [`INV-2: ${missing.length} promised orders cannot be read: ${missing[0] ?? ''}`];
}
