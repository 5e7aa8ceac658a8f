import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { detailOf } from '@seckill/contracts';
import type { ConnectionError } from 'fastify';
import type { HttpOptions } from '../app.ts';
import { Problem, problemDocument } from '../problem/problem.ts';
import type { AllowedOn } from './unknown-route.ts';

/**
 * The wait before a client that does not speak HTTP is cut off. The answer is on its way by then. Such a
 * client need not close, so we do.
 */
const HANG_UP_MS = 1_000;

/** What is not HTTP never becomes a request, so the answer is written to the socket by hand. */
export function answerMalformed(
  error: ConnectionError,
  socket: Socket,
  {
    docsBaseUrl = '',
    headers = {},
    allowedOn,
  }: Pick<HttpOptions, 'docsBaseUrl' | 'headers'> & { allowedOn: AllowedOn },
): void {
  // Nobody listens any more.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  // Node's own time-outs do not look again at a connection that had an error. Such a connection would also
  // hold up the end of the process.
  const hangUp = setTimeout(() => socket.destroy(), HANG_UP_MS);
  socket.once('close', () => {
    clearTimeout(hangUp);
  });
  const requestId = randomUUID();
  const say = (status: string, own: string[], body = ''): void => {
    const head = [
      `HTTP/1.1 ${status}`,
      `date: ${new Date().toUTCString()}`,
      `x-request-id: ${requestId}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      ...own,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ];
    socket.end([...head, '', body].join('\r\n'));
  };
  // These two have no body (docs/http-api.md).
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    say('431 Request Header Fields Too Large', []);
    return;
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    say('408 Request Timeout', []);
    return;
  }
  const allowed = error.code === 'HPE_INVALID_METHOD' ? allowedOn(pathOf(error)) : [];
  const problem =
    allowed.length > 0
      ? new Problem('method_not_allowed')
      : new Problem('invalid_request', { detail: detailOf('request_malformed') });
  say(
    allowed.length > 0 ? '405 Method Not Allowed' : '400 Bad Request',
    [
      ...(allowed.length > 0 ? [`allow: ${allowed.join(', ')}`] : []),
      'content-type: application/problem+json; charset=utf-8',
      'content-language: en',
    ],
    JSON.stringify(problemDocument(problem, { requestId, language: 'en', docsBaseUrl })),
  );
}

/**
 * The path of a request whose method Node's parser does not know. The path is '' for what is no request at
 * all, such as a TLS handshake.
 */
function pathOf({ rawPacket }: ConnectionError): string {
  const line = rawPacket instanceof Buffer ? rawPacket.subarray(0, 2_048).toString('latin1') : '';
  return /^[A-Za-z][A-Za-z-]{0,31} (\/[^ ?]*)(?:\?[^ ]*)? HTTP\/1\.[01]\r\n/.exec(line)?.[1] ?? '';
}
