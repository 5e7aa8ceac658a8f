/** Calls for the client that follows the table, and the client itself, on a running system. */
import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import type { Client as System } from '../../support/stack.ts';
import { TableClient, type Call, type End } from './table-client.ts';

export interface Calls {
  client: TableClient;
  reserving: (saleId: string, user: string, lines: [string, number][], extra?: object) => Promise<Call>;
  /** An operator's, below `/v1/sales/`. */
  change: (path: string, body?: Record<string, unknown>) => Call;
  act: (user: string, end: End, verb: 'pay' | 'cancel') => Promise<End>;
  /** The cause ends once the answer was heard for the first time; then the call succeeds under its key. */
  untilOver: (t: Test, call: Call, code: string, over: () => Promise<unknown>) => Promise<void>;
}

export async function makeCalls(system: System, base = system.stack.info.gateway): Promise<Calls> {
  const admin = await system.token('operator', true);
  const client = new TableClient(base, () => system.token('renewed'));
  return {
    client,
    reserving: async (saleId, user, lines, extra = {}) => ({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      token: await system.token(user),
      key: randomUUID(),
      body: { lines: lines.map(([sku, quantity]) => ({ sku, quantity })), ...extra },
    }),
    change: (path, body = {}) => ({ method: 'POST', path: `/v1/sales/${path}`, token: admin, body }),
    async act(user, end, verb) {
      const path = `/v1/orders/${String(end.body['id'])}/${verb}`;
      return client.follow({ method: 'POST', path, token: await system.token(user) });
    },
    async untilOver(t, call, code, over) {
      let hear: (code: string) => void = () => undefined;
      const first = new Promise<string>((resolve) => (hear = resolve));
      const following = client.follow(call, { onAnswer: hear });
      t.equal(await Promise.race([first, following.then(({ heard }) => heard.join(', '))]), code);
      await over();
      const { end, heard, key } = await following;
      t.match({ end, key }, { end: 'done', key: call.key }, heard.join(', '));
    },
  };
}
