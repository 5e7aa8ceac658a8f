import { randomUUID } from 'node:crypto';
import { METHODS } from 'node:http';
import type { Socket } from 'node:net';
import { detailOf } from '@seckill/contracts';
import type { ConnectionError } from 'fastify';
import type { HttpOptions } from '../app.ts';
import { Problem, problemDocument } from '../problem/problem.ts';
import type { UnansweredOn } from './unanswered.ts';
import type { AllowedOn } from './unknown-route.ts';

/**
 * The wait before a client that does not speak HTTP is cut off. The answer is on its way by then. Such a
 * client need not close, so we do.
 */
const HANG_UP_MS = 1_000;
/**
 * The wait for the answer to an earlier request of the connection. The slowest call between services takes
 * 15 s. A stream would go on for ever.
 */
const ANSWER_MS = 30_000;

/** Any token is a method (RFC 9110, 9.1); an address of a whole URL is one too (RFC 9112, 3.2.2). */
const REQUEST_LINE = /^(?:\r\n)?([!#$%&'*+.^_`|~0-9A-Za-z-]+) ((?:https?:\/)?\/[^ \r\n]*) HTTP\/1\.[01]\r\n/;

/** Connections that are to close. Each further byte would be the same failure once more. */
const closing = new WeakSet<Socket>();

export interface MalformedDeps extends Pick<HttpOptions, 'docsBaseUrl' | 'headers' | 'onMalformed'> {
  allowedOn: AllowedOn;
  unansweredOn: UnansweredOn;
}

/**
 * What is not HTTP never becomes a request, so the answer is written to the socket by hand. While an
 * earlier request of the connection waits for its answer, nothing is said about what follows it: the caller
 * would take it for the answer, and hear a definite "no" where units are taken.
 */
export function answerMalformed(error: ConnectionError, socket: Socket, deps: MalformedDeps): void {
  // An answer is on its way out. Whatever else comes in is read by nobody, and a timer ends the connection.
  if (closing.has(socket) && error.code !== 'ECONNRESET') return;
  // Nobody listens any more.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  // These two have no body (docs/http-api.md).
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    answer(socket, { status: '431 Request Header Fields Too Large' }, deps);
  } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    answer(socket, { status: '408 Request Timeout' }, deps);
  } else {
    const path = pathOf(error);
    const allow = path === undefined ? undefined : deps.allowedOn(path);
    if (allow === undefined) {
      const problem = new Problem('invalid_request', { detail: detailOf('request_malformed') });
      answer(socket, { status: '400 Bad Request', problem }, deps);
    } else if (allow.length === 0) {
      answer(socket, { status: '404 Not Found', problem: new Problem('not_found') }, deps);
    } else {
      refuseMethod(socket, allow, deps);
    }
  }
}

/** Node hands over a `CONNECT` without an answer. We are no proxy, so no method helps. */
export function answerConnect(socket: Socket, deps: MalformedDeps): void {
  socket.on('error', () => socket.destroy());
  refuseMethod(socket, [], deps);
}

interface Answer {
  status: string;
  own?: string[];
  problem?: Problem;
}

function refuseMethod(socket: Socket, allow: string[], deps: MalformedDeps): void {
  const problem = new Problem('method_not_allowed');
  answer(socket, { status: '405 Method Not Allowed', own: [`allow: ${allow.join(', ')}`], problem }, deps);
}

/** Closes the connection, after an answer where one is due. */
function answer(socket: Socket, { status, own = [], problem }: Answer, deps: MalformedDeps): void {
  if (closing.has(socket)) return;
  closing.add(socket);
  const { before, hasBegun } = deps.unansweredOn(socket);
  if (before !== undefined) {
    hangUpAfter(socket, ANSWER_MS);
    before.once('close', () => {
      socket.end();
      hangUpAfter(socket, HANG_UP_MS);
    });
    return;
  }
  hangUpAfter(socket, HANG_UP_MS);
  // A second answer would be taken for that of the next request.
  if (hasBegun) {
    socket.end();
    return;
  }
  const requestId = randomUUID();
  const { docsBaseUrl = '', headers = {} } = deps;
  const document = problem && problemDocument(problem, { requestId, language: 'en', docsBaseUrl });
  const body = document === undefined ? '' : JSON.stringify(document);
  const head = [
    `HTTP/1.1 ${status}`,
    `date: ${new Date().toUTCString()}`,
    `x-request-id: ${requestId}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...own,
    ...(body === '' ? [] : ['content-type: application/problem+json; charset=utf-8', 'content-language: en']),
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end([...head, '', body].join('\r\n'));
  deps.onMalformed?.({ status: Number(status.slice(0, 3)), requestId });
}

/**
 * Node's own time-outs do not look again at a connection that had an error. Such a connection would also hold
 * up the end of the process.
 */
function hangUpAfter(socket: Socket, ms: number): void {
  const hangUp = setTimeout(() => socket.destroy(), ms);
  socket.once('close', () => {
    clearTimeout(hangUp);
  });
}

/**
 * The path of a request whose method Node's parser does not know. There is none for what is no request at
 * all, such as a TLS handshake, nor where the failing request does not begin the packet: the path would be
 * that of another one.
 */
function pathOf({ code, bytesParsed, rawPacket }: ConnectionError): string | undefined {
  if (code !== 'HPE_INVALID_METHOD' && code !== 'HPE_INVALID_CONSTANT') return undefined;
  if (!(rawPacket instanceof Buffer)) return undefined;
  const [line, method = '', target = ''] = REQUEST_LINE.exec(rawPacket.toString('latin1')) ?? [];
  if (line === undefined || METHODS.includes(method) || bytesParsed > line.length) return undefined;
  return target.replace(/^https?:\/\/[^/?]*/i, '').replace(/\?.*$/, '') || '/';
}
