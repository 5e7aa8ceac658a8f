import type { Sample } from '../generator/latency-recorder.ts';

/** A second of a run: what the generator saw, and what the engines held at its end. */
export interface Point extends Sample {
  unitsLeft: number | null;
  orderLagP99Ms: number | null;
  outbox: number | null;
}

export interface Live {
  show: (point: Point, total: number) => void;
  log: (line: string) => void;
  /** Ends the view. No more points follow, and what was redrawn in place stays. */
  end: () => void;
}

const BAR_WIDTH = 24;

/** Shows live progress. A terminal is redrawn in place; elsewhere one line a second is written. */
export function createLive(output: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>): Live {
  let drawnLines = 0;
  const clear = () => {
    if (drawnLines > 0) output.write(`\u001b[${drawnLines}A\u001b[0J`);
    drawnLines = 0;
  };
  return {
    show(point, total) {
      if (!output.isTTY) {
        output.write(`${formatLine(point, total)}\n`);
        return;
      }
      clear();
      const lines = formatScreen(point, total);
      output.write(`${lines.join('\n')}\n`);
      drawnLines = lines.length;
    },
    log(line) {
      clear();
      output.write(`${line}\n`);
    },
    end() {
      drawnLines = 0;
    },
  };
}

export const formatMs = (microseconds: number | null): string =>
  microseconds === null ? '-' : `${(microseconds / 1_000).toFixed(microseconds < 10_000 ? 1 : 0)} ms`;

export function formatLine(point: Point, total: number): string {
  const { second, offered, answered, accepted, dropped, p50, p99, unitsLeft, orderLagP99Ms } = point;
  return [
    `${second + 1} s`,
    `offered ${offered}`,
    `answered ${answered}`,
    `accepted ${accepted}`,
    ...(dropped > 0 ? [`dropped ${dropped}`] : []),
    `p50 ${formatMs(p50)}`,
    `p99 ${formatMs(p99)}`,
    ...(unitsLeft === null ? [] : [`left ${unitsLeft} of ${total}`]),
    `order lag ${orderLagP99Ms === null ? '-' : `${Math.round(orderLagP99Ms)} ms`}`,
  ].join('  ');
}

function formatScreen(point: Point, total: number): string[] {
  const left = point.unitsLeft ?? total;
  const full = total === 0 ? 0 : Math.round((left / total) * BAR_WIDTH);
  const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
  const outcomes = Object.entries(point.outcomes).map(([code, count]) => `${code} ${count}`);
  return [
    formatLine(point, total),
    `${bar}  in flight ${point.inFlight}  outbox ${point.outbox ?? '-'}  late ${point.late}`,
    outcomes.join('  ') || 'no answers',
  ];
}
