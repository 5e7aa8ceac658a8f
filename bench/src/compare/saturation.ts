import { randomBytes } from 'node:crypto';
import { loadWindow, settle, type Comparison } from './comparison.ts';
import { History } from '../audit/history.ts';
import { endedOf } from '../generator/latency-recorder.ts';
import type { SideName } from './rig.ts';
import { createSale } from '../target/sale.ts';
import { PLAIN_TRAFFIC, limitlessSale } from '../scenarios/load/load.ts';
import type { Measured } from './side.ts';
import { readBaseline } from '../audit/verdict.ts';

/** Measures what each side accepts a second in each round. The samples stand under the name of the side. */
export async function compareSaturation(comparison: Comparison): Promise<void> {
  const { sides, scale, samples, log } = comparison;
  const load = (side: SideName, round: number, durationMs: number, warmUpMs: number) => {
    const model = { kind: 'closed', connections: scale.connections, durationMs } as const;
    return loadWindow(comparison, side, { model, warmUpMs, seed: round });
  };
  // Compilers settle first, so the first seconds of a process do not show its speed.
  for (const side of sides) noteFindings(comparison, side, await load(side, 0, scale.windowMs / 2, 0));
  for (let round = 1; round <= scale.rounds; round += 1) {
    // Every second round takes the sides in reverse. Whoever comes first has the cooler machine, or the
    // warmer.
    for (const side of round % 2 === 1 ? sides : [...sides].reverse()) {
      await settle(comparison);
      const measured = await load(side, round, scale.windowMs, scale.warmUpMs);
      samples.add(side, measured.load.acceptedPerSecond);
      note(comparison, side, measured);
      log(`round ${round}  ${side}: ${measured.load.acceptedPerSecond.toFixed(0)} accepted a second`);
    }
  }
}

/** What a crowd asks of a sale that is sold out, and the only answer that is right. */
const QUESTIONS = {
  'sold-out': { traffic: PLAIN_TRAFFIC, outcome: 'sold_out' },
  read: { traffic: { ...PLAIN_TRAFFIC, browseShare: 1 }, outcome: 'browsed' },
  'read unchanged': { traffic: { ...PLAIN_TRAFFIC, browseShare: 1, taggedShare: 1 }, outcome: 'unchanged' },
};
type Question = keyof typeof QUESTIONS;
const ASKED: readonly ('plain' | Question)[] = ['plain', 'sold-out', 'read', 'read unchanged'];

/**
 * Measures how often "sold out" is said a second, each round beside the plain gateway, and what it costs to
 * read the same sale.
 */
export async function compareSoldOut(comparison: Comparison): Promise<void> {
  const { scale, samples, rig, log } = comparison;
  const measure = async (side: 'plain' | Question, round: number, durationMs: number, warmUpMs: number) => {
    const model = { kind: 'closed', connections: scale.connections, durationMs } as const;
    if (side === 'plain') return loadWindow(comparison, side, { model, warmUpMs, seed: round });
    const saleId = `bench-${randomBytes(6).toString('hex')}`;
    // What the engines hold is read before the buyer comes who takes everything. A slow reading would count
    // that buyer's message as an older one.
    const before = await readBaseline(rig.target);
    const history = await sellOut(comparison, saleId);
    const { traffic } = QUESTIONS[side];
    const load = { model, warmUpMs, seed: round, saleId, history, before, traffic };
    return loadWindow(comparison, 'product', load);
  };
  for (const side of ASKED) noteFindings(comparison, side, await measure(side, 0, scale.windowMs / 2, 0));
  for (let round = 1; round <= scale.rounds; round += 1) {
    for (const side of round % 2 === 1 ? ASKED : [...ASKED].reverse()) {
      await settle(comparison);
      const measured = await measure(side, round, scale.windowMs, scale.warmUpMs);
      const { answeredPerSecond, window } = measured.load;
      const name = side === 'plain' ? 'plain beside sold-out' : side;
      samples.add(name, answeredPerSecond);
      note(comparison, name, measured);
      if (side !== 'plain') {
        samples.add(`${side} cpu`, serviceCpu(measured));
        if ((window.outcomes[QUESTIONS[side].outcome] ?? 0) < endedOf(window)) {
          samples.findings.push(`${side}: another answer was given: ${JSON.stringify(window.outcomes)}`);
        }
      }
      log(`round ${round}  ${side}: ${answeredPerSecond.toFixed(0)} answers a second`);
    }
  }
}

/** µs of CPU for an answer, over all services and engines. */
function serviceCpu({ cpuUs }: Measured): number {
  const { generator: _generator, ...services } = cpuUs;
  return Object.values(services).reduce((sum, one) => sum + one, 0);
}

/**
 * Makes a sale of 100 units that one buyer takes whole. A reservation may take at most this many units of a
 * SKU.
 */
async function sellOut({ rig: { target, sides } }: Comparison, saleId: string): Promise<History> {
  const sale = limitlessSale(100);
  await createSale(target, saleId, sale, Date.now());
  const response = await target.http.request({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    headers: {
      authorization: `Bearer ${target.tokenOf('bench-first')}`,
      'content-type': 'application/json',
      'idempotency-key': 'all',
    },
    body: JSON.stringify({ lines: [{ sku: PLAIN_TRAFFIC.skus[0], quantity: 100 }] }),
  });
  const body = await response.body.text();
  if (response.statusCode !== 201) throw new Error(`selling out at ${sides.product.url}: ${body}`);
  const history = new History();
  history.accept(saleId, 'bench-first', 'all', body);
  return history;
}

export function note(comparison: Comparison, side: string, measured: Measured): void {
  comparison.samples.addCpu(side, measured.cpuUs);
  noteFindings(comparison, side, measured);
}

/**
 * Notes findings, also those of loads that measure nothing. A side that sells wrong in such a load has sold
 * wrong.
 */
export function noteFindings({ samples, log }: Comparison, side: string, measured: Measured): void {
  for (const finding of measured.findings) {
    samples.findings.push(`${side}: ${finding}`);
    log(`BROKEN  ${side}: ${finding}`);
  }
}
