import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Buyer } from './buyers.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { Shopper } from './shopper.ts';
import { Visit, type VisitOptions } from './visit.ts';
import type { WayIn } from './way-in.ts';

export interface CrowdOptions extends VisitOptions {
  scenario: Pick<Scenario, 'sale'>;
  buyers: Buyer[];
  opensAt: number;
  wayIn: WayIn;
  tokenOf: (userId: string) => string | Promise<string>;
}

/**
 * Sends every buyer at the buyer's time. Resolves when all have heard a definite answer, or when the signal
 * aborts.
 */
export async function runCrowd(options: CrowdOptions): Promise<void> {
  // Every buyer who waits for its time listens.
  setMaxListeners(0, options.signal);
  await Promise.all(
    options.buyers.map(async (buyer) => {
      try {
        await sleep(Math.max(0, options.opensAt + buyer.arrivesAtMs - Date.now()), undefined, {
          signal: options.signal,
        });
      } catch {
        return;
      }
      const { userId } = buyer;
      const token = await options.tokenOf(userId);
      const { wayIn, history, scenario } = options;
      const shopper = new Shopper({ wayIn, history, saleId: scenario.sale.id, userId, token });
      await new Visit(buyer, shopper, options).run();
    }),
  );
}
