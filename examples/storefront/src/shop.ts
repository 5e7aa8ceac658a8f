/** The one client of the page, and who its buyer is. */
import { createClient, fetchTransport } from '@seckill/client';
import type { Client, Sale } from '@seckill/client';
import { currentLanguage } from './texts.ts';

/** What the server of this page says. A real shop has a sign-in of its own here. */
interface Session {
  gateway: string;
  token: string;
  expiresInSeconds: number;
}

/** A token is renewed this long before it ends. */
const RENEW_MS = 60_000;

let session: Session | undefined;
let renewAt = 0;

async function signIn(): Promise<Session> {
  if (session !== undefined && performance.now() < renewAt) return session;
  const answer = await fetch('/session', { method: 'POST' });
  if (!answer.ok) throw new Error(`/session: ${answer.status}`);
  session = (await answer.json()) as Session;
  renewAt = performance.now() + session.expiresInSeconds * 1_000 - RENEW_MS;
  return session;
}

/** @throws Error when nobody can be signed in */
export async function openShop(): Promise<Client> {
  return createClient({
    baseUrl: (await signIn()).gateway,
    token: async (refused) => {
      // While a phone sleeps its clock may stand still, and the token ends unseen.
      if (refused === session?.token) session = undefined;
      return (await signIn()).token;
    },
    // The API's own texts come in the language of the page.
    transport: (request) =>
      fetchTransport({ ...request, headers: { ...request.headers, 'accept-language': currentLanguage() } }),
  });
}

/**
 * Whether all orders of a sale with a `groupMinimum` are one group: no channel has one of its own. False
 * where that cannot be read. Channels are in no sale that buyers read, and the client has no call for them.
 */
export async function isOneGroup(saleId: string): Promise<boolean> {
  try {
    const { gateway } = await signIn();
    const answer = await fetch(`${gateway}/v1/sales/${encodeURIComponent(saleId)}/channels`);
    if (!answer.ok) return false;
    const { channels } = (await answer.json()) as { channels: { groupMinimum?: number }[] };
    return channels.every(({ groupMinimum }) => groupMinimum === undefined);
  } catch {
    return false;
  }
}

const sales = new Map<string, Sale>();

/** An order has SKUs, and the sale has their titles. Undefined where it cannot be read. */
export async function saleOf(shop: Client, saleId: string): Promise<Sale | undefined> {
  if (!sales.has(saleId)) {
    const sale = await shop.getSale(saleId);
    if (sale.ok) sales.set(saleId, sale.value);
  }
  return sales.get(saleId);
}
