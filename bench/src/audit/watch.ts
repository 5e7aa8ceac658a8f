import { setTimeout as sleep } from 'node:timers/promises';
import type { Finding } from './audit.ts';
import type { EngineReader } from '../engines/engines.ts';

const INTERVAL_MS = 200;

/**
 * INV-1 holds "at every instant", so it is looked at while the crowd runs, not only afterwards: each sample
 * is one reading of a lane (one HGETALL, hence consistent) and one of the ledger.
 * @returns a function that stops and tells what was seen.
 */
export function watchTotals(
  engines: EngineReader,
  saleIds: string[],
): () => Promise<{ samples: number; findings: Finding[] }> {
  const abort = new AbortController();
  const findings: Finding[] = [];
  let samples = 0;

  async function sample(saleId: string): Promise<void> {
    const [lane, ledger] = await Promise.all([engines.items(saleId), engines.ledger(saleId)]);
    for (const { sku, total, held, paid, available } of lane) {
      if (held + paid > total || available < 0) {
        findings.push({
          invariant: 'INV-1',
          text: `${saleId} ${sku}: ${held + paid} of ${total} taken in Redis during the sale`,
        });
      }
    }
    for (const { sku, total, sold } of ledger) {
      if (sold > total) {
        findings.push({
          invariant: 'INV-1',
          text: `${saleId} ${sku}: ${sold} of ${total} sold in Postgres during the sale`,
        });
      }
    }
    samples += 1;
  }

  const loop = (async () => {
    while (!abort.signal.aborted) {
      await Promise.all(saleIds.map(sample));
      await sleep(INTERVAL_MS);
    }
  })();
  return async () => {
    abort.abort();
    await loop;
    return { samples, findings };
  };
}
