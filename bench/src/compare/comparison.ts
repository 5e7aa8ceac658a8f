import type { Point } from '../run/live.ts';
import type { Rig, SideName } from './rig.ts';
import type { Samples } from './samples.ts';
import { loadSide, type Measured, type SideLoad } from './side.ts';

/** How long and how often each side is measured. The scale is the same for both sides of every pair. */
export interface Scale {
  rounds: number;
  /** Length of a window of saturation or of the open model. The first part of a window is not measured. */
  windowMs: number;
  warmUpMs: number;
  latencyMs: number;
  /** How long reservations pile up before the intake is measured. */
  backlogMs: number;
  holds: number;
  scriptCalls: number;
  /** Orders of the sale that Redis loses. */
  rebuildOrders: number;
  /** How often an open round is tried while the generator calls it invalid. */
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
  rebuildOrders: 100_000,
  attempts: 3,
  connections: 64,
};

/** This scale proves that everything runs. The figures of such a run mean nothing. */
export const QUICK: Scale = {
  rounds: 1,
  windowMs: 1_000,
  warmUpMs: 200,
  latencyMs: 1_500,
  backlogMs: 1_000,
  holds: 2_000,
  scriptCalls: 1_000,
  rebuildOrders: 2_000,
  attempts: 1,
  connections: 16,
};

export interface Comparison {
  rig: Rig;
  scale: Scale;
  samples: Samples;
  /** The baselines that run beside the product. */
  sides: SideName[];
  log: (line: string) => void;
  /** Shows one second of a window. The function is called for each second of each window. */
  show: (side: SideName, point: Point) => void;
}

const SETTLE_MS = 30_000;

/** Runs before each window and waits until the engines have done what the last window left to them. */
export async function settle({ rig }: Comparison): Promise<void> {
  await rig.target.engines?.settleEngines(SETTLE_MS);
}

/** Loads one side for one window and shows each second of it. */
export function loadWindow({ rig, show }: Comparison, side: SideName, options: SideLoad): Promise<Measured> {
  const onSecond = (point: Point) => {
    show(side, point);
  };
  return loadSide(rig.target, rig.sides[side], {
    ...options,
    onSecond,
  });
}
