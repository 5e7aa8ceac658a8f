import { loadWindow, settle, type Comparison } from './comparison.ts';
import { note, noteFindings } from './saturation.ts';
import type { Measured, SideLoad } from './side.ts';

/**
 * This is a crowd's number of connections, not a load balancer's. A service with more than these in flight is
 * not at half of saturation.
 */
const CONNECTIONS = 128;
const IN_FLIGHT_MAX = 2_000;
/** The lag that is noted for an order that was not stored within 30 s. */
const LAG_MISSING_MS = 30_000;

/**
 * Measures the p99 of accepted reservations under Poisson arrivals at half of the product's saturation. The
 * plain gateway is measured beside the product under the same arrivals. The order lag is measured meanwhile.
 * Latencies are in µs, the lag is in ms.
 */
export async function compareLatency(comparison: Comparison): Promise<void> {
  const { scale, samples, log } = comparison;
  const durationMs = scale.latencyMs;
  for (let round = 1; round <= scale.rounds; round += 1) {
    const perSecond = Math.max(10, Math.round((await measureSaturation(comparison, round)) / 2));
    const arrivals = { shape: 'poisson', perSecond, durationMs } as const;
    const model = { kind: 'open', arrivals, connections: CONNECTIONS, inFlightMax: IN_FLIGHT_MAX } as const;
    samples.add('arrivals', perSecond);
    log(`round ${round}  half of saturation: ${perSecond} arrivals a second`);
    const pair: Partial<Record<'product' | 'plain', Measured>> = {};
    for (const side of round % 2 === 1 ? (['product', 'plain'] as const) : (['plain', 'product'] as const)) {
      const measured = await measureValid(comparison, side, { model, warmUpMs: scale.warmUpMs, seed: round });
      if (measured === undefined) continue;
      pair[side] = measured;
      const { latency, utilization, dropped } = measured.load;
      if (dropped > 0) samples.notes.push(`latency, ${side}, round ${round}: ${dropped} arrivals dropped`);
      note(comparison, `${side} at half`, measured);
      log(
        `round ${round}  ${side}: p50 ${latency.accepted.p50} µs, p99 ${latency.accepted.p99} µs, order lag p99 ` +
          `${measured.orderLag?.p99?.toFixed(0) ?? '-'} ms, generator ${(utilization * 100).toFixed(0)} % busy`,
      );
    }
    const { product, plain } = pair;
    // A round counts for both sides of a pair or for neither, because their rounds stand side by side.
    if (product === undefined || plain === undefined) continue;
    for (const [side, { load }] of [
      ['product', product],
      ['plain', plain],
    ] as const) {
      samples.add(`${side} p99`, load.latency.accepted.p99);
      samples.add(`${side} p50`, load.latency.accepted.p50);
    }
    const lag = product.orderLag;
    if (lag !== undefined)
      samples.add('order lag', lag.missing > 0 || lag.p99 === null ? LAG_MISSING_MS : lag.p99);
  }
}

/**
 * Measures the product's saturation right now. On a shared machine the saturation of ten minutes ago may be
 * twice as high or half as high.
 */
async function measureSaturation(comparison: Comparison, seed: number): Promise<number> {
  const { scale } = comparison;
  const model = { kind: 'closed', connections: scale.connections, durationMs: scale.windowMs } as const;
  await settle(comparison);
  const measured = await loadWindow(comparison, 'product', { model, warmUpMs: scale.warmUpMs, seed });
  noteFindings(comparison, 'product', measured);
  return measured.load.acceptedPerSecond;
}

/**
 * Repeats a round until it is valid. The result is undefined when the generator was the bottleneck each time,
 * because nothing can be said then.
 */
async function measureValid(
  comparison: Comparison,
  side: 'product' | 'plain',
  options: SideLoad,
): Promise<Measured | undefined> {
  const { samples, scale, log } = comparison;
  for (let attempt = 1; attempt <= scale.attempts; attempt += 1) {
    await settle(comparison);
    const measured = await loadWindow(comparison, side, options);
    const { whyInvalid } = measured.load;
    if (whyInvalid.length === 0) return measured;
    noteFindings(comparison, side, measured);
    const text = `latency, ${side}, round ${options.seed}, attempt ${attempt}: not valid, ${whyInvalid.join('; ')}`;
    samples.notes.push(text);
    log(text);
  }
  return undefined;
}
