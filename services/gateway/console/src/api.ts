import { currentLanguage } from './words.ts';

/** A problem+json of the gateway, or what stands for one when there is no answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The operator's token lives in this variable alone. Storage and cookies outlive the page, and scripts of
 * other pages of this origin could read or use them.
 */
let token = '';

export const isSignedIn = (): boolean => token !== '';

export function signOut(): void {
  token = '';
}

/** @throws ApiError 401 or 403 when it is no operator's. */
export async function signIn(given: string): Promise<void> {
  token = given.trim();
  try {
    await call('GET', '/v1/notices?state=kept&limit=1');
  } catch (error) {
    token = '';
    throw error;
  }
}

/** @throws ApiError */
export async function call<Answer>(
  method: 'GET' | 'POST',
  path: string,
  { body, key }: { body?: unknown; key?: string } = {},
): Promise<Answer> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    'accept-language': currentLanguage() === 'zh' ? 'zh-CN' : 'en',
  };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== undefined) headers['idempotency-key'] = key;
  const response = await fetch(path, {
    method,
    headers,
    credentials: 'omit',
    cache: 'no-store',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new ApiError(0, String(error));
  });
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as Answer;
  const { title = '', detail = '', field = '' } = answer as Record<string, string | undefined>;
  const words = [title, detail, field].filter((word) => word !== '');
  throw new ApiError(response.status, words.length === 0 ? String(response.status) : words.join(' · '));
}

export interface Item {
  sku: string;
  title: string | { en?: string; zh?: string };
  total: number;
  available: number;
  held: number;
  paid: number;
  /** Of a kit, whose units are its parts'. */
  components?: { sku: string; quantity: number }[];
  paused?: boolean;
}

export interface Sale {
  id: string;
  title: string | { en?: string; zh?: string };
  state: string;
  opensAt: string;
  closesAt: string;
  items: Item[];
  channels?: { id: string; kind: string; title: string; partnerId?: string; cap?: number }[];
}

export interface Audit {
  verdict: string;
  invariants: Record<string, string>;
  findings: string[];
}

export interface Change {
  at: string;
  by: string;
  action: string;
  reason?: string;
}
