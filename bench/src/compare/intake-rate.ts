import { drainBacklog, pauseOrder, resumeOrder } from '../measure/backlog.ts';
import { loadWindow, settle, type Comparison } from './comparison.ts';
import { closeSale, createSale } from '../target/sale.ts';
import { noteFindings } from './saturation.ts';
import { plainSale, PLENTY } from '../scenarios/load/load.ts';
import { randomBytes } from 'node:crypto';

/** Measures how many orders are stored a second while a backlog is drained and nothing else runs. */
export async function compareIntake(comparison: Comparison): Promise<void> {
  const { scale, samples, rig, log } = comparison;
  const { target } = rig;
  for (let round = 1; round <= scale.rounds; round += 1) {
    await settle(comparison);
    const saleId = `bench-${randomBytes(6).toString('hex')}`;
    await createSale(target, saleId, plainSale(PLENTY), Date.now());
    const model = { kind: 'closed', connections: scale.connections, durationMs: scale.backlogMs } as const;
    pauseOrder(target);
    try {
      // The load is judged below, once all of it is stored.
      const measured = await loadWindow(comparison, 'product', {
        model,
        warmUpMs: 0,
        seed: round,
        saleId,
        isJudgedByCounts: true,
      });
      noteFindings(comparison, 'product', measured);
      const { orders, seconds } = await drainBacklog(target, saleId);
      samples.add('stored', orders / seconds);
      log(
        `round ${round}  intake: ${orders} orders in ${seconds.toFixed(2)} s, ${(orders / seconds).toFixed(0)} a second`,
      );
    } finally {
      resumeOrder(target);
    }
    await judgeCounts(comparison, saleId);
    await closeSale(target, saleId);
  }
}

/** Checks that Redis' holds, Redis' sequence, Postgres' rows and Postgres' ledger are the same number. */
export async function judgeCounts({ rig, samples, log }: Comparison, saleId: string): Promise<void> {
  const counts = await rig.target.engines?.counts(saleId);
  if (counts === undefined) return;
  const { holds, sequence, rows, sold } = counts;
  if (holds === sequence && rows === holds && sold === rows) return;
  const finding = `${saleId}: holds ${holds}, sequence ${sequence}, rows ${rows}, ledger ${sold} differ`;
  samples.findings.push(finding);
  log(`BROKEN  ${finding}`);
}
