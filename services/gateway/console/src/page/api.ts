import { currentLanguage } from './words.ts';

/** A problem+json of the gateway, or what stands for one when there is no answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
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
  method: 'GET' | 'POST' | 'PATCH',
  path: string,
  { body, key, version }: { body?: unknown; key?: string; version?: number } = {},
): Promise<Answer> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    'accept-language': currentLanguage() === 'zh' ? 'zh-CN' : 'en',
  };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== undefined) headers['idempotency-key'] = key;
  // Refused when somebody else made another version meanwhile.
  if (version !== undefined) headers['if-match'] = `"${version}"`;
  const response = await fetch(path, {
    method,
    headers,
    credentials: 'omit',
    cache: 'no-store',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new ApiError(0, '', String(error));
  });
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as Answer;
  const { code = '', title = '', detail = '', field = '' } = answer as Record<string, string | undefined>;
  // The detail of a code without one is its title again.
  const words = [...new Set([title, detail, field])].filter((word) => word !== '');
  const told = words.length === 0 ? String(response.status) : words.join(' · ');
  throw new ApiError(response.status, code, told);
}
