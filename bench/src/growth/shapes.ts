import { setTimeout as sleep } from 'node:timers/promises';
import { makeReservations } from '../answers/reservations.ts';
import { startRawProcess, type RawProcess } from '../generator/raw-process-client.ts';
import { readUse, spentBetween } from '../measure/cpu.ts';
import type { Target } from '../target/target.ts';

/** Which parts of a stack an order goes through: so many gateways, and these sales. */
export interface Shape {
  label: string;
  gateways: readonly string[];
  saleIds: readonly string[];
}

export interface OrderCost {
  /** µs of CPU for an order that was accepted and stored, of all processes but the client. */
  cpuUs: number;
  cpuUsByProcess: Record<string, number>;
  /** Accepted a second, while they were asked for. */
  perSecond: number;
}

export interface Window {
  /** Each gateway gets so many, because whoever needs more gateways has a larger crowd. */
  connections: number;
  warmUpMs: number;
  windowMs: number;
}

/** More than two cores accept in a second. A key that came again would be a repeat, which costs less. */
const REQUESTS_PER_SECOND = 5_000;
const STORED_MS = 60_000;
const POLL_MS = 20;

/**
 * Sells in this shape, and waits until every order is stored, because what is done for an order after its
 * answer belongs to the cost of the order.
 * @throws Error when an answer was another one than 201, or when the orders are not stored within a minute.
 */
export async function measureShape(target: Target, shape: Shape, window: Window): Promise<OrderCost> {
  const clients = await Promise.all(shape.gateways.map((url) => openClient(target, shape, url, window)));
  try {
    await sell(target, clients, window.warmUpMs);
    const before = readUse(pidsOf(target));
    const { accepted, seconds } = await sell(target, clients, window.windowMs);
    const spent = spentBetween(before, readUse(pidsOf(target)));
    const cpuUsByProcess = Object.fromEntries(
      Object.entries(spent).map(([name, cpuSeconds]) => [name, (1e6 * cpuSeconds) / accepted]),
    );
    const cpuUs = Object.values(cpuUsByProcess).reduce((sum, one) => sum + one, 0);
    return { cpuUs, cpuUsByProcess, perSecond: accepted / seconds };
  } finally {
    for (const client of clients) client.stop();
  }
}

/** The processes as they are now: some were started since the target was opened. */
export const pidsOf = ({ info, pids }: Target): Record<string, number> => info?.pids ?? pids;

function openClient(
  target: Target,
  { gateways, saleIds }: Shape,
  url: string,
  { connections, warmUpMs, windowMs }: Window,
): Promise<RawProcess> {
  const { hostname, port } = new URL(url);
  const parts = gateways.length * saleIds.length;
  const each = Math.ceil((REQUESTS_PER_SECOND * (warmUpMs + windowMs)) / 1_000 / parts);
  const ofSales = saleIds.map((saleId) => makeReservations(target, saleId, each));
  // The sales take turns.
  const requests = Array.from({ length: each }, (_, index) =>
    ofSales.map((list) => list[index] ?? ''),
  ).flat();
  return startRawProcess({
    host: hostname,
    port: Number(port),
    connections,
    requests,
  });
}

async function sell(
  target: Target,
  clients: RawProcess[],
  durationMs: number,
): Promise<{ accepted: number; seconds: number }> {
  const { engines } = target;
  if (engines === undefined) throw new Error('orders are counted in PostgreSQL');
  const storedBefore = await engines.countIntake();
  const results = await Promise.all(clients.map((client) => client.run(durationMs)));
  const accepted = results.reduce((sum, { answered }) => sum + answered, 0);
  for (const { answered, statuses, failures } of results) {
    if (failures > 0 || statuses[201] !== answered) {
      throw new Error(`not all were accepted: ${JSON.stringify(statuses)}, ${failures} failures`);
    }
  }
  const deadline = performance.now() + STORED_MS;
  while ((await engines.countIntake()) < storedBefore + accepted) {
    if (performance.now() > deadline) throw new Error('the orders are not stored after a minute');
    await sleep(POLL_MS);
  }
  return { accepted, seconds: Math.max(...results.map(({ seconds }) => seconds)) };
}
