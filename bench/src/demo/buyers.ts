import type { ReserveRequest } from '@seckill/contracts';
import { pick } from '../random.ts';
import type { Scenario } from '../scenarios/scenario.ts';

/**
 * `double-click`: sends the same key twice at once. `greedy`: goes on with new keys until told of the limit.
 * `late`: comes when everything is gone.
 */
type Habit = 'plain' | 'double-click' | 'greedy' | 'late';
/** What becomes of a reservation. `walk-away`: the buyer does nothing at all, and the hold runs out. */
export type Intent = 'notice' | 'pay' | 'cancel' | 'walk-away';

export interface Buyer {
  userId: string;
  habit: Habit;
  intent: Intent;
  /** A patient buyer keeps trying while units may come back, and pays for what is reserved then. */
  isPatient: boolean;
  /** Milliseconds after the opening. A negative number is a click that comes too early. */
  arrivesAtMs: number;
  channelId?: string;
  ref?: string;
  lines: ReserveRequest['lines'];
}

const HABITS: readonly Habit[] = [
  'plain',
  'plain',
  'plain',
  'plain',
  'double-click',
  'double-click',
  'greedy',
];
// Most buyers pay, through a provider or in the sandbox. One in ten cancels, three in twenty walk away.
const INTENTS: readonly Intent[] = [
  ...Array<Intent>(11).fill('notice'),
  ...Array<Intent>(4).fill('pay'),
  ...Array<Intent>(2).fill('cancel'),
  ...Array<Intent>(3).fill('walk-away'),
];
const PATIENT_SHARE = 0.15;

export function planCrowd(scenario: Scenario, count: number, random: () => number): Buyer[] {
  const { sale } = scenario;
  return Array.from({ length: count }, (_, index) => {
    const channel = random() < 0.85 ? pick(random, sale.channels ?? []) : undefined;
    const habit = random() < 0.1 ? 'late' : pick(random, HABITS);
    return {
      userId: `buyer-${sale.id}-${index}`,
      habit,
      intent: pick(random, INTENTS),
      isPatient: random() < PATIENT_SHARE,
      arrivesAtMs: arrival(habit, random),
      ...(channel === undefined ? {} : { channelId: channel.id }),
      ...(random() < 0.4 ? { ref: `note-${Math.floor(random() * 40)}` } : {}),
      lines: planLines(scenario, random),
    };
  });
}

/**
 * Draws a buyer's arrival. Some come too early, most within the first second, the rest over the next five.
 * The greedy are quick.
 */
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
