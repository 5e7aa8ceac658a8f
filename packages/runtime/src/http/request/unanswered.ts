import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

/** The last two requests of a connection. */
interface Followed {
  last: Exchange | undefined;
  before: Exchange | undefined;
}

export interface Unanswered {
  /** A whole request that is not answered yet, or whose answer is not sent yet. What follows it failed. */
  before: ServerResponse | undefined;
  /** The failing request itself was taken up by its headers, and its answer has begun. */
  hasBegun: boolean;
}

/** Tells what a connection still waits for. */
export type UnansweredOn = (socket: Socket) => Unanswered;

/**
 * Node takes up a request as soon as it is whole, also when the bytes behind it are no HTTP. An answer to
 * those bytes would then stand where the answer to the request belongs. The last two requests are enough:
 * answers leave in the order of their requests.
 */
export function followAnswers(server: Server): UnansweredOn {
  const followed = new WeakMap<Socket, Followed>();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    let of = followed.get(socket);
    if (of === undefined) {
      of = { last: undefined, before: undefined };
      followed.set(socket, of);
    }
    const { last: before } = of;
    const exchange = { request, response };
    of.last = exchange;
    of.before = before?.response.writableFinished ? undefined : before;
    // What is answered is let go, as a connection may rest for long.
    response.on('close', () => {
      if (!request.complete || of.last !== exchange) return;
      of.last = undefined;
      of.before = undefined;
    });
  });
  return (socket) => {
    const { last, before } = followed.get(socket) ?? {};
    // A request whose body is not whole is the one that fails. No handler has seen it.
    const isFailing = last !== undefined && !last.request.complete;
    const whole = (isFailing ? before : last)?.response;
    return {
      before: whole === undefined || whole.writableFinished ? undefined : whole,
      hasBegun: isFailing && last.response.headersSent,
    };
  };
}
