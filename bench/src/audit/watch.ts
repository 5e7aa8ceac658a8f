import { setTimeout as sleep } from 'node:timers/promises';
import type { Finding } from './judge.ts';
import type { EngineReader } from '../engines/engines.ts';

const INTERVAL_MS = 200;

/**
 * Watches INV-1 while the crowd runs and not only afterwards, because INV-1 holds "at every instant". Each
 * sample is one reading of a lane and one of the ledger. The lane is read with one HGETALL, so its reading is
 * consistent.
 * @param mayBeAway says that engines are killed on purpose: a look that fails is left out, not an error.
 * @returns a function that stops the watch and tells what was seen.
 */
export function watchTotals(
  engines: EngineReader,
  saleIds: string[],
  mayBeAway = false,
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
      const looks = Promise.all(saleIds.map(sample));
      await (mayBeAway ? looks.catch(() => undefined) : looks);
      await sleep(INTERVAL_MS);
    }
  })();
  return async () => {
    abort.abort();
    await loop;
    return { samples, findings };
  };
}
