import type { Sale } from '@seckill/contracts';
import type { Pool } from 'undici';
import type { EngineReader } from '../engines/engines.ts';
import type { History } from '../audit/history.ts';
import { readSale } from '../target/sale.ts';

export interface ProgressOptions {
  http: Pool;
  saleIds: string[];
  history: History;
  engines: EngineReader;
  output: NodeJS.WriteStream;
}

const BAR_WIDTH = 24;
const TTY_INTERVAL_MS = 250;
const LINE_INTERVAL_MS = 1_000;

/**
 * Shows a live view while the crowd runs. A terminal is redrawn in place; elsewhere one line a second is
 * written.
 * @returns a function that draws the last state and stops.
 */
export function showProgress(options: ProgressOptions): () => Promise<void> {
  const isTty = options.output.isTTY;
  const startedAt = performance.now();
  let drawnLines = 0;
  let drawing: Promise<void> | undefined;

  async function draw(): Promise<void> {
    const sales = await Promise.all(options.saleIds.map((saleId) => readSale(options, saleId)));
    const stored = await options.engines.countOrders().catch(() => 0);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    const lines = sales
      .filter((sale) => sale !== undefined)
      .map((sale) => formatSale(sale, options.history, isTty));
    const summary = `${seconds} s  answers ${options.history.answers}, accepted ${options.history.promised.size}, orders stored ${stored}`;
    if (isTty) {
      const erase = drawnLines > 0 ? `\u001b[${drawnLines}A\u001b[0J` : '';
      options.output.write(`${erase}${[...lines, summary].join('\n')}\n`);
      drawnLines = lines.length + 1;
    } else {
      options.output.write(`${[summary, ...lines].join(' | ')}\n`);
    }
  }

  const timer = setInterval(
    () => {
      // Only one drawing runs at a time. A slow answer skips a frame instead of piling up requests.
      drawing ??= draw().finally(() => {
        drawing = undefined;
      });
    },
    isTty ? TTY_INTERVAL_MS : LINE_INTERVAL_MS,
  );
  return async () => {
    clearInterval(timer);
    await drawing;
    await draw();
  };
}

function formatSale(sale: Sale, history: History, isTty: boolean): string {
  const total = sale.items.reduce((sum, item) => sum + item.total, 0);
  const available = sale.items.reduce((sum, item) => sum + item.available, 0);
  const rejected = [...(history.rejected.get(sale.id) ?? [])].map(([code, count]) => `${code} ${count}`);
  if (!isTty) return `${sale.id}: ${available} of ${total} left, rejected ${rejected.join(' ') || 'none'}`;
  const full = total === 0 ? 0 : Math.round((available / total) * BAR_WIDTH);
  const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
  return `${sale.id.padEnd(14)} ${bar} ${String(available).padStart(5)} of ${total} left  ${rejected.join('  ')}`;
}
