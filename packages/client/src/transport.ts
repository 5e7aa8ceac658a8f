/**
 * How a request reaches the gateway. A browser and Node.js have `fetch`; other platforms bring their own
 * way.
 */

/** What the client needs of an AbortSignal. Every AbortSignal is one. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface TransportRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** The longest wait for the answer, in ms. */
  timeoutMs: number;
  /** Absent where the platform has no AbortController. */
  signal?: CancelSignal;
  /** The page is being left, and the request has to outlive it. */
  keepalive?: boolean;
}

export interface TransportAnswer {
  status: number;
  header(name: string): string | null | undefined;
  text: string;
}

/** Rejects when there is no answer. The client then knows nothing of the outcome. */
export type Transport = (request: TransportRequest) => Promise<TransportAnswer>;

export const fetchTransport: Transport = async ({ timeoutMs: _, signal, ...request }) => {
  const answer = await fetch(request.url, {
    ...request,
    signal: (signal as AbortSignal | undefined) ?? null,
  });
  return {
    status: answer.status,
    header: (name) => answer.headers.get(name),
    text: await answer.text(),
  };
};

/** What `wx.request` of WeChat takes, as far as it is used here. */
export interface WxRequestOptions {
  url: string;
  method: 'GET' | 'POST';
  header: Record<string, string>;
  data?: string;
  /** Anything but `json` leaves the answer as text. */
  dataType: string;
  responseType: 'text';
  timeout: number;
  success(answer: { statusCode: number; header: Record<string, string>; data: unknown }): void;
  fail(error: unknown): void;
}

/** A transport over `wx.request`, for WeChat mini programs: `wxTransport(wx.request)`. */
export function wxTransport(
  request: (options: WxRequestOptions) => { abort(): void } | undefined,
): Transport {
  return ({ method, url, headers, body, timeoutMs, signal }) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(new Error('nobody waits for the answer'));
        return;
      }
      const task = request({
        url,
        method,
        header: headers,
        ...(body === undefined ? {} : { data: body }),
        dataType: 'text',
        responseType: 'text',
        timeout: timeoutMs,
        success({ statusCode, header, data }) {
          // Platforms disagree about the case of names.
          const lower = Object.fromEntries(
            Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]),
          );
          resolve({
            status: statusCode,
            header: (name) => lower[name],
            text: typeof data === 'string' ? data : JSON.stringify(data),
          });
        },
        fail: reject,
      });
      signal?.addEventListener('abort', () => task?.abort());
    });
}
