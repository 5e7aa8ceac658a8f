import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import underPressure from '@fastify/under-pressure';
import { isHealthRoute, Problem, type Http } from '@seckill/runtime';
import type { LimitMetrics } from './metrics.ts';

export interface SheddingDeps {
  /** Requests in flight; one more is `overloaded`. */
  requestsMax: number;
  metrics: Pick<LimitMetrics, 'shed' | 'readInFlight'>;
}

/** Places that the requests of a connection have taken. */
interface Taken {
  places: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Gives back the place among the requests in flight, for an answer that goes on for as long as it
     * likes.
     */
    leavePlace?: () => void;
  }
}

/**
 * Mean delay over a second. The bound on requests acts at once. This bound acts when requests are few and
 * dear.
 */
const LOOP_DELAY_MS_MAX = 1_000;
const JITTER_SECONDS = 2;
/** The delay is read once in this time, as a mean of it. */
const SAMPLE_MS = 1_000;

/**
 * Refuses what would only wait: before its token is looked at, before its body is read, before any unit
 * moves. Health is exempt, because an orchestrator would otherwise kill the process for being busy. We look
 * at delay and not at utilization: a loop that is used up to 100 % is what a sale wants, as long as everyone
 * is served soon.
 */
export async function shedLoad(app: Http, { requestsMax, metrics }: SheddingDeps): Promise<void> {
  app.decorateRequest('leavePlace');
  let inFlight = 0;
  metrics.readInFlight(() => inFlight);
  const overloaded = (reason: 'requests' | 'event_loop'): Problem => {
    metrics.shed.inc({ reason });
    return new Problem('overloaded', { retryAfterSeconds: 1 + randomInt(JITTER_SECONDS + 1) });
  };

  // Places are counted by connection, so that they are given back when the connection goes: the client may go
  // before its answer is sent. And an answer that waits behind another one of its connection (pipelining) has
  // no socket yet. Node never tells such an answer of the end, so its place would be lost for good.
  const takenOn = new WeakMap<Socket, Taken>();

  function watch(socket: Socket): Taken {
    const taken: Taken = { places: 0 };
    takenOn.set(socket, taken);
    socket.once('close', () => {
      inFlight -= taken.places;
      taken.places = 0;
    });
    return taken;
  }

  function takePlace(socket: Socket): () => void {
    const taken = takenOn.get(socket) ?? watch(socket);
    let isTaken = true;
    const release = (): void => {
      // The connection's end has given all of them back.
      if (!isTaken || taken.places === 0) return;
      isTaken = false;
      taken.places -= 1;
      inFlight -= 1;
    };
    taken.places += 1;
    inFlight += 1;
    return release;
  }

  app.addHook('onRequest', (request, _reply, done) => {
    if (!isHealthRoute(request)) {
      if (inFlight >= requestsMax) throw overloaded('requests');
      request.leavePlace = takePlace(request.raw.socket);
    }
    done();
  });
  app.addHook('onResponse', (request, _reply, done) => {
    request.leavePlace?.();
    done();
  });
  // To assemble the routes keeps the loop busy, on a slow machine for more than a second. The first readings
  // tell of that, and nothing of what comes.
  let startedAt = Number.POSITIVE_INFINITY;
  app.addHook('onReady', async () => {
    startedAt = performance.now();
  });
  await app.register(underPressure, {
    maxEventLoopDelay: LOOP_DELAY_MS_MAX,
    sampleInterval: SAMPLE_MS,
    eventLoopUtilizationMode: 'interval',
    pressureHandler: async (request) => {
      if (isHealthRoute(request) || performance.now() - startedAt < 2 * SAMPLE_MS) return;
      throw overloaded('event_loop');
    },
  });
}
