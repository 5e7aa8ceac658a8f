import { randomInt } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import underPressure from '@fastify/under-pressure';
import { isHealthRoute, Problem, type Http } from '@seckill/runtime';
import type { LimitMetrics } from './metrics.ts';

export interface SheddingDeps {
  /** Requests in flight; one more is `overloaded`. */
  requestsMax: number;
  metrics: Pick<LimitMetrics, 'shed' | 'inFlight'>;
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
  const overloaded = (reason: 'requests' | 'event_loop'): Problem => {
    metrics.shed.inc({ reason });
    return new Problem('overloaded', { retryAfterSeconds: 1 + randomInt(JITTER_SECONDS + 1) });
  };

  // Places are kept by connection, so that they are given back when the connection goes. An answer that waits
  // behind another one of its connection (pipelining) has no socket yet. Node never tells such an answer of
  // the end, so its place would be lost for good.
  const releasesOf = new WeakMap<Socket, Set<() => void>>();

  function watch(socket: Socket): Set<() => void> {
    const releases = new Set<() => void>();
    releasesOf.set(socket, releases);
    socket.once('close', () => {
      for (const release of releases) release();
    });
    return releases;
  }

  function takePlace(socket: Socket, response: ServerResponse): () => void {
    const releases = releasesOf.get(socket) ?? watch(socket);
    const release = (): void => {
      if (!releases.delete(release)) return;
      inFlight -= 1;
      metrics.inFlight.set(inFlight);
    };
    releases.add(release);
    inFlight += 1;
    metrics.inFlight.set(inFlight);
    // The place is also given back when the client has gone before the answer.
    response.on('close', release);
    return release;
  }

  app.addHook('onRequest', (request, reply, done) => {
    if (!isHealthRoute(request)) {
      if (inFlight >= requestsMax) throw overloaded('requests');
      request.leavePlace = takePlace(request.raw.socket, reply.raw);
    }
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
