import type { Point } from '../run/live.ts';
import type { Rig, SideName } from './rig.ts';
import type { Samples } from './samples.ts';
import { loadSide, type Measured, type SideLoad } from './side.ts';

/** How long and how often; the same for both sides of every pair. */
export interface Scale {
  rounds: number;
  /** Saturation and open model, the first part not measured. */
  windowMs: number;
  warmUpMs: number;
  latencyMs: number;
  /** How long reservations pile up for the intake. */
  backlogMs: number;
  holds: number;
  scriptCalls: number;
  /** Of an open round that the generator calls invalid. */
  attempts: number;
  connections: number;
}

export const FULL: Scale = {
  rounds: 5,
  windowMs: 10_000,
  warmUpMs: 2_000,
  latencyMs: 12_000,
  backlogMs: 8_000,
  holds: 1_000_000,
  scriptCalls: 40_000,
  attempts: 3,
  connections: 64,
};

/** Proves that everything runs. Its figures mean nothing. */
export const QUICK: Scale = {
  rounds: 1,
  windowMs: 1_000,
  warmUpMs: 200,
  latencyMs: 1_500,
  backlogMs: 1_000,
  holds: 2_000,
  scriptCalls: 1_000,
  attempts: 1,
  connections: 16,
};

export interface Comparison {
  rig: Rig;
  scale: Scale;
  samples: Samples;
  /** Of the baselines beside the product. */
  sides: SideName[];
  log: (line: string) => void;
  /** Each second of each window. */
  show: (side: SideName, point: Point) => void;
}

const SETTLE_MS = 30_000;

/** Before each window: what the last one left to the engines is done. */
export async function settle({ rig }: Comparison): Promise<void> {
  await rig.target.engines?.settleEngines(SETTLE_MS);
}

/** One window of one side, told second by second. */
export function loadWindow({ rig, show }: Comparison, side: SideName, options: SideLoad): Promise<Measured> {
  const onSecond = (point: Point) => {
    show(side, point);
  };
  return loadSide(rig.target, rig.sides[side], {
    ...options,
    onSecond,
  });
}
