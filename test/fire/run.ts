/** One seed: the system is started, sells under fire, is healed, and judged. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '@seckill/stack';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { watchTotals } from '../../bench/src/audit/watch.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeTold } from '../support/aftermath.ts';
import { boundsOf, type Bounds } from './bounds.ts';
import { Crowd } from './crowd.ts';
import { Faults } from './faults.ts';
import { Front } from './front.ts';
import { LedgerReader } from './ledger-reader.ts';
import { Nemesis, type Round } from './nemesis.ts';
import { Operations, type Count } from './operations.ts';
import { Operator } from './operator.ts';
import { PUBLISHED_AGAIN, Reached, SIGHTS } from './reached.ts';
import { Receiver } from './receiver.ts';
import { judgeDenials } from './judgement/denials.ts';
import { judgeRegister } from './judgement/register.ts';
import { judgeRefusals } from './judgement/refusals.ts';
import { openSales, type FireSale } from './sales.ts';
import { System } from './system.ts';
import * as verdict from './judgement/verdict.ts';

const SHOPPERS = 8;
const REPEATED_MAX = 1_500;
const FINDINGS_MAX = 20;
const STREAMS = { nemesis: 1, crowd: 2, operator: 3, receiver: 4, faults: 5, front: 6, waits: 7 };

export interface RunResult {
  seed: number;
  findings: string[];
  rounds: Round[];
  counts: Map<string, Count>;
  reached: Map<string, number>;
  lost: number;
  samples: number;
  /** What a buyer needed before the first fault, in ms, from the first call until the order was paid. */
  calmMs: number[];
}

interface Parts {
  system: System;
  front: Front;
  operations: Operations;
  sales: { scarce: FireSale; plenty: FireSale; probe: FireSale };
  engines: EngineReader;
  ledger: LedgerReader;
  receiver: Receiver;
  faults: Faults;
  crowd: Crowd;
  operator: Operator;
  nemesis: Nemesis;
}

type Log = (line: string) => void;

async function build(seed: number, minutes: number, log: Log): Promise<Parts> {
  const randomOf = (stream: keyof typeof STREAMS) => seededRandom(seed * 16 + STREAMS[stream]);
  const name = `fire-${process.pid}-${seed}`;
  const system = await System.start(name, log);
  const { info } = system.stack;
  const front = new Front(await system.openFront(), info.jwtSecret, randomOf('front'));
  const file = join(ROOT, '.run', name, 'operations.jsonl');
  log(`logs and operations: .run/${name}`);
  const operations = new Operations(file, randomOf('waits'));
  const receiver = new Receiver(randomOf('receiver'));
  await receiver.start(front, operations);
  const sales = await openSales(front, operations, seed, minutes);
  const saleIds = Object.values(sales).map(({ id }) => id);
  const engines = new EngineReader({ ...info, kafka: system.kafka.url });
  const faults = new Faults(system, saleIds, randomOf('faults'));
  const steered = [sales.scarce, sales.plenty];
  const crowd = new Crowd({
    front,
    operations,
    sales: steered,
    webhookSecret: info.webhookSecret,
    random: randomOf('crowd'),
    shoppers: SHOPPERS,
  });
  const operator = new Operator({ front, operations, sales: steered, crowd, random: randomOf('operator') });
  const random = randomOf('nemesis');
  const nemesis = new Nemesis({ system, front, operations, faults, probeId: sales.probe.id, random, log });
  const ledger = new LedgerReader(info.postgres);
  return { system, front, operations, sales, engines, ledger, receiver, faults, crowd, operator, nemesis };
}

export async function runSeed(seed: number, minutes: number, log: Log): Promise<RunResult> {
  const parts = await build(seed, minutes, log);
  const { system, front, operations, sales, engines, receiver, faults, crowd, operator, nemesis } = parts;
  const saleIds = Object.values(sales).map(({ id }) => id);
  const reached = new Reached(system);
  const stopWatch = watchTotals(engines, saleIds, true);
  try {
    await sleep(1_000);
    const calmMs = await nemesis.calm();
    const bounds = boundsOf(calmMs);
    log(`calm: paid after ${calmMs.join(', ')} ms; bounds × ${bounds.slowness.toFixed(1)}`);
    await nemesis.rage(performance.now() + minutes * 60_000, bounds);
    log('healed; everything that was asked must become definite');
    operations.healed(bounds.definite);
    await operator.stop();
    await crowd.stop();
    const unsold = await sellOut(parts, bounds);
    const watched = await stopWatch();
    const judged = await judgeAll(parts, saleIds, bounds, log);
    await reached.look();
    const findings = [
      ...watched.findings.map(({ invariant, text }) => `${invariant}: ${text}`),
      ...unsold,
      ...judgeProgress(nemesis.rounds, bounds),
      ...judged,
      ...judgeOutboxesKept(reached),
    ];
    return {
      seed,
      findings: [...new Set(findings)].slice(0, FINDINGS_MAX),
      rounds: nemesis.rounds,
      counts: operations.counts,
      reached: new Map(SIGHTS.map((sight) => [sight.name, reached.count(sight) || heard(parts, sight.name)])),
      lost: faults.lost.size,
      samples: watched.samples,
      calmMs,
    };
  } finally {
    reached.stop();
    await stopWatch();
    operations.close();
    receiver.stop();
    faults.close();
    await front.close();
    await engines.close();
    await parts.ledger.close();
    await system.stop();
  }
}

/** What only the crowd and the receiver know. */
function heard({ operations, receiver }: Parts, name: string): number {
  const code = { 'heard: nothing at all': 'no_answer' }[name] ?? name.replace('heard: ', '');
  if (name === 'unknown at first, then reserved') return operations.resolved;
  if (name === 'webhook told twice') return receiver.repeated;
  return operations.codes.get(code) ?? 0;
}

/** Kafka keeps what it has confirmed here, so order knows every hold once outbox and topic are read. */
function judgeOutboxesKept(reached: Reached): string[] {
  const count = reached.count(PUBLISHED_AGAIN);
  return count === 0 ? [] : [`INV-2: ${count} holds were unknown to order, and in no outbox`];
}

function judgeProgress(rounds: Round[], bounds: Bounds): string[] {
  return rounds.flatMap(({ faults, sold, paid }, index) => {
    if (sold !== undefined && paid !== undefined) return [];
    const what = faults.map(({ kind, target }) => `${target} ${kind}`).join(', ');
    return [
      `progress: round ${index + 1} (${what}): not ${sold === undefined ? 'sold' : 'paid'} in ${Math.round(bounds.progress)} ms`,
    ];
  });
}

/** Demand exceeds what there is: buyers go on until every unit is paid. */
async function sellOut({ sales: { scarce }, engines, crowd }: Parts, bounds: Bounds): Promise<string[]> {
  const deadline = performance.now() + bounds.soldOut;
  let last = -1;
  for (let number = 0; performance.now() < deadline; number += 1) {
    const items = await engines.items(scarce.id);
    if (items.length > 0 && items.every(({ total, paid }) => paid === total)) return [];
    const open = items.filter(({ available }) => available > 0);
    if (open.length === 0) await sleep(200);
    const buyers = open.flatMap(({ sku, available }) =>
      Array.from({ length: Math.min(16, Math.ceil(available / 3)) }, (_, index) => ({
        saleId: scarce.id,
        userId: `last-${number}-${sku}-${index}`,
        key: 'last',
        body: { lines: [{ sku, quantity: Math.min(3, available) }] },
      })),
    );
    await Promise.all(
      buyers.map(async (wish) => {
        const reservation = await crowd.reserve(wish);
        if (reservation !== undefined) await crowd.pay(wish.userId, reservation);
      }),
    );
    last = items.reduce((sum, { total, paid }) => sum + total - paid, 0);
  }
  return [`sold out: ${last} units of ${scarce.id} are not paid, though more were wanted`];
}

async function judgeAll(parts: Parts, saleIds: string[], bounds: Bounds, log: Log): Promise<string[]> {
  const { engines, ledger, crowd, operator, operations, faults, system, receiver } = parts;
  log('judged: invariants, keys, money, totals, pauses, webhooks');
  const { history } = crowd;
  const orders = await ledger.orders(saleIds);
  const facts: verdict.Facts = {
    orders,
    payments: await ledger.payments(saleIds),
    retakes: await ledger.retakes(saleIds),
    kept: crowd.kept,
    denied: crowd.denied,
    told: crowd.payments,
    returned: operator.returned,
    pauses: operator.pauses,
    notFound: crowd.notFound,
    lost: faults.lost,
  };
  const forgetLost = forgetting(crowd, new Set([...faults.lost, ...judgeRefusals(facts).excused]));
  await repeatKeys(crowd);
  forgetLost();
  const findings: string[] = [];
  const ledgers: verdict.Ledgers = new Map();
  try {
    const reading = await readSettled(engines, saleIds, bounds.rest);
    facts.orders = await ledger.orders(saleIds);
    facts.payments = await ledger.payments(saleIds);
    facts.retakes = await ledger.retakes(saleIds);
    // An order may have been refused since.
    forgetting(crowd, judgeRefusals(facts).excused)();
    findings.push(...judge(reading, history).map(({ invariant, text }) => `${invariant}: ${text}`));
    findings.push(...judgeTold(reading, crowd));
    for (const sale of reading.sales) ledgers.set(sale.definition.id, sale.ledger);
    findings.push(...verdict.judgeTotals(ledgers, operator.totals));
    for (const saleId of saleIds) {
      const { fromHolds } = await engines.publishedIds(saleId);
      findings.push(...verdict.judgeOutbox(fromHolds, faults.lost));
    }
  } catch (error) {
    findings.push(`rest: ${String(error)}`);
  }
  findings.push(
    ...judgeRefusals(facts).findings,
    ...verdict.judgeKeysHeard(facts),
    ...verdict.judgeMoneyKept(facts),
    ...verdict.judgePauses(facts),
    ...verdict.judgeFound(facts),
    ...judgeRegister(facts, Object.values(parts.sales), operator.changes),
    ...judgeDenials({
      sales: Object.values(parts.sales),
      asked: crowd.asked,
      denials: crowd.denied,
      changes: operator.changes,
      pauses: operator.pauses,
    }),
    ...operator.refused.map((text) => `operator: refused without a reason: ${text}`),
    ...operations.errors.map((text) => `internal: ${text}`),
    ...operations.unresolved.map((text) => `unresolved: ${text}`),
    ...system.deaths.map((text) => `death: ${text}`),
    ...(receiver.forged > 0 ? [`webhook: ${receiver.forged} were not signed as they should be`] : []),
    ...(await untilTold(bounds.webhooks, () => [
      ...verdict.judgeWebhooks(facts.orders, receiver.told),
      ...verdict.judgeSalesTold(saleIds, ledgers, receiver.told),
    ])),
  );
  return findings;
}

/**
 * What is known to be lost is not held against anybody.
 * @returns a function that forgets what was heard meanwhile: a key whose reservation was lost has another
 * one.
 */
function forgetting({ history, kept }: Crowd, ids: Set<string>): () => void {
  const names: string[] = [];
  for (const id of ids) {
    const wish = kept.get(id);
    kept.delete(id);
    for (const told of [history.promised, history.toldPaid, history.toldCancelled]) told.delete(id);
    if (wish !== undefined) names.push(JSON.stringify([wish.saleId, wish.userId, wish.key]));
  }
  return () => {
    const others = history.contradictions.filter((text) => !names.some((name) => text.startsWith(name)));
    history.contradictions.splice(0, history.contradictions.length, ...others);
  };
}

/** INV-4, at the end once more: evenly chosen keys get their first answers. */
async function repeatKeys(crowd: Crowd): Promise<void> {
  const all = [...crowd.kept.values()];
  const step = Math.max(1, Math.ceil(all.length / REPEATED_MAX));
  const waiting = all.filter((_, index) => index % step === 0);
  const repeat = async (): Promise<void> => {
    for (let wish = waiting.pop(); wish !== undefined; wish = waiting.pop()) await crowd.repeat(wish);
  };
  await Promise.all(Array.from({ length: 12 }, repeat));
}

async function untilTold(boundMs: number, judgeWhatWasTold: () => string[]): Promise<string[]> {
  const deadline = performance.now() + boundMs;
  for (;;) {
    const missing = judgeWhatWasTold();
    if (missing.length === 0 || performance.now() > deadline) return missing;
    await sleep(250);
  }
}
