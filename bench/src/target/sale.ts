import { setTimeout as delay } from 'node:timers/promises';
import { formatInstant, type Sale, type SaleInput } from '@seckill/contracts';
import type { Target } from './target.ts';

export type SaleDraft = Omit<SaleInput, 'id' | 'opensAt' | 'closesAt' | 'items'> & {
  /** No kits: what is measured has units of its own. */
  items: (SaleInput['items'][number] & { total: number })[];
};

const WINDOW_MS = 6 * 3_600_000;
const CREATE_TRIES_MAX = 5;
const RETRY_SECONDS_MAX = 5;

/** Creates the sale of one run. @throws Error with the service's answer when it is refused. */
export async function createSale(
  { http, operatorToken }: Pick<Target, 'http' | 'operatorToken'>,
  id: string,
  draft: SaleDraft,
  opensAt: number,
): Promise<void> {
  const body = JSON.stringify({
    ...draft,
    id,
    opensAt: formatInstant(opensAt),
    closesAt: formatInstant(opensAt + WINDOW_MS),
  });
  await sendSale({ http, operatorToken }, id, body, CREATE_TRIES_MAX);
}

/**
 * Sends a sale until it is there. @returns how many answers said that the outcome is unknown.
 * @throws Error with the service's answer when the sale is refused, or is not there after so many tries.
 */
export async function sendSale(
  { http, operatorToken }: Pick<Target, 'http' | 'operatorToken'>,
  id: string,
  body: string,
  triesMax: number,
): Promise<number> {
  // A repeat of the same body is answered alike. A 503 says that stock has not acknowledged the sale yet, or
  // that a service has just woken and refuses for a second what may have waited.
  for (let attempt = 1; ; attempt += 1) {
    const response = await http.request({
      method: 'POST',
      path: '/v1/sales',
      headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
      body,
    });
    const text = await response.body.text();
    if (response.statusCode === 201 || response.statusCode === 200) return attempt - 1;
    if (response.statusCode !== 503 || attempt === triesMax) {
      throw new Error(`creating ${id}: ${response.statusCode} ${text}`);
    }
    const seconds = Number(response.headers['retry-after'] ?? 1);
    await delay(Math.min(seconds, RETRY_SECONDS_MAX) * 1_000);
  }
}

/**
 * Closes the sale after a run, because stock goes on telling every gateway of a sale that is open. A sale
 * that cannot be closed stays as it is.
 */
export async function closeSale(
  { http, operatorToken }: Pick<Target, 'http' | 'operatorToken'>,
  id: string,
): Promise<void> {
  const request = {
    method: 'POST',
    path: `/v1/sales/${id}/close`,
    headers: { authorization: `Bearer ${operatorToken}` },
  } as const;
  await http.request(request).then(
    ({ body }) => body.dump(),
    () => undefined,
  );
}

export async function readSale({ http }: Pick<Target, 'http'>, id: string): Promise<Sale | undefined> {
  try {
    const response = await http.request({ method: 'GET', path: `/v1/sales/${id}` });
    const body = await response.body.json();
    return response.statusCode === 200 ? (body as Sale) : undefined;
  } catch {
    // Progress is a courtesy; the audit is what decides.
    return undefined;
  }
}
