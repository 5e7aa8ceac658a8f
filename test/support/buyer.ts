/** A buyer who uses `@seckill/client`, and what the system says that this buyer has. */
import { createClient, type Client, type ClientOptions, type Order } from '@seckill/client';
import type { Client as System } from './stack.ts';

export interface Buyer extends Client {
  /** Units of orders that hold or have bought some, as PostgreSQL and the gateway's list of orders tell. */
  countUnits(saleId: string): Promise<number>;
}

export function makeBuyer(system: System, userId: string, options: Partial<ClientOptions> = {}): Buyer {
  const token = (): Promise<string> => system.token(userId);
  const client = createClient({ baseUrl: system.stack.info.gateway, token, ...options });
  const truth = createClient({ baseUrl: system.stack.info.gateway, token });
  return {
    ...client,
    async countUnits(saleId) {
      const orders: Order[] = [];
      for await (const page of truth.listOrders({ saleId })) {
        if (!page.ok) throw new Error(`orders: ${page.code}`);
        orders.push(...page.value.data);
      }
      return orders
        .filter(({ status }) => status === 'pending' || status === 'paid')
        .flatMap(({ lines }) => lines)
        .reduce((sum, { quantity }) => sum + quantity, 0);
    },
  };
}

export const oneOf = (sku: string, quantity = 1) => ({ lines: [{ sku, quantity }] });
