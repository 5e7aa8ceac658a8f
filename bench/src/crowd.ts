import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReserveRequest } from '@seckill/contracts';
import type { Pool } from 'undici';
import type { History } from './history.ts';
import { pick } from './random.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { Shopper } from './shopper.ts';

/**
 * `double-click`: the same key twice at once. `greedy`: goes on with new keys until told of the limit. `late`: comes
 * when all is gone.
 */
type Habit = 'plain' | 'double-click' | 'greedy' | 'late';

export interface Buyer {
  userId: string;
  habit: Habit;
  /** Milliseconds after the opening; negative: clicks too early. */
  arrivesAtMs: number;
  channelId?: string;
  ref?: string;
  lines: ReserveRequest['lines'];
}

const HABITS: readonly Habit[] = [
  'plain',
  'plain',
  'plain',
  'double-click',
  'double-click',
  'greedy',
  'greedy',
];

export function planCrowd(scenario: Scenario, count: number, random: () => number): Buyer[] {
  const { sale } = scenario;
  return Array.from({ length: count }, (_, index) => {
    const channel = random() < 0.85 ? pick(random, sale.channels ?? []) : undefined;
    const habit = random() < 0.1 ? 'late' : pick(random, HABITS);
    return {
      userId: `buyer-${sale.id}-${index}`,
      habit,
      arrivesAtMs: arrival(habit, random),
      ...(channel === undefined ? {} : { channelId: channel.id }),
      ...(random() < 0.4 ? { ref: `note-${Math.floor(random() * 40)}` } : {}),
      lines: planLines(scenario, random),
    };
  });
}

/** Some too early, most within the first second, the rest over the next five; the greedy are quick. */
function arrival(habit: Habit, random: () => number): number {
  if (habit === 'late') return 7_000 + 2_000 * random();
  if (habit === 'greedy') return 200 * random();
  const part = random();
  if (part < 0.1) return -1_500 * random();
  return part < 0.75 ? 1_000 * random() : 1_000 + 5_000 * random();
}

function planLines({ sale }: Scenario, random: () => number): ReserveRequest['lines'] {
  const [first, second] = sale.items;
  if (first !== undefined && second !== undefined && random() < 0.25) {
    return [
      { sku: first.sku, quantity: 1 },
      { sku: second.sku, quantity: 1 },
    ];
  }
  return [{ sku: pick(random, sale.items).sku, quantity: random() < 0.3 ? 2 : 1 }];
}

export interface CrowdOptions {
  scenario: Scenario;
  buyers: Buyer[];
  opensAt: number;
  http: Pool;
  history: History;
  signToken: (userId: string) => Promise<string>;
  signal: AbortSignal;
}

/** Sends every buyer at its time; resolves when all have heard a definite answer, or the signal aborts. */
export async function runCrowd(options: CrowdOptions): Promise<void> {
  // Every buyer who waits for its time listens.
  setMaxListeners(0, options.signal);
  await Promise.all(
    options.buyers.map(async (buyer) => {
      const token = await options.signToken(buyer.userId);
      try {
        await sleep(Math.max(0, options.opensAt + buyer.arrivesAtMs - Date.now()), undefined, {
          signal: options.signal,
        });
      } catch {
        return;
      }
      await shop(buyer, new Shopper({ ...options, saleId: options.scenario.sale.id, ...buyer, token }));
    }),
  );
}

async function shop(buyer: Buyer, shopper: Shopper): Promise<void> {
  const request: ReserveRequest = {
    lines: buyer.lines,
    ...(buyer.channelId === undefined ? {} : { channelId: buyer.channelId }),
    ...(buyer.ref === undefined ? {} : { ref: buyer.ref }),
  };
  if (buyer.habit === 'double-click') {
    const key = shopper.newKey();
    await Promise.all([shopper.reserve(request, key), shopper.reserve(request, key)]);
    // And once more later, as an impatient thumb does.
    await shopper.reserve(request, key);
    return;
  }
  await insist(shopper, request, buyer.habit === 'greedy' ? 5 : 1);
}

/**
 * Reserves up to `times` reservations. Where a community's share is gone the buyer comes without the group; where
 * fewer units are left than asked, the buyer takes what is left.
 */
async function insist(shopper: Shopper, first: ReserveRequest, times: number): Promise<void> {
  let request = first;
  let reserved = 0;
  // Each adjustment happens at most once per line or channel, so this ends; the bound says so.
  for (let attempt = 0; attempt < times + 8 && reserved < times; attempt += 1) {
    const answer = await shopper.reserve(request, shopper.newKey());
    if ('reservation' in answer) {
      reserved += 1;
      continue;
    }
    const adjusted = adjust(request, answer.problem);
    if (adjusted === undefined) return;
    request = adjusted;
  }
}

function adjust(request: ReserveRequest, problem: Record<string, unknown>): ReserveRequest | undefined {
  if (problem['code'] === 'channel_full') {
    const { channelId: _full, ...rest } = request;
    return rest;
  }
  if (problem['code'] !== 'sold_out') return undefined;
  const available = Number(problem['available']);
  const lines = request.lines
    .map((line) => (line.sku === problem['sku'] ? { ...line, quantity: available } : line))
    .filter(({ quantity }) => quantity > 0);
  return lines.length > 0 ? { ...request, lines } : undefined;
}
