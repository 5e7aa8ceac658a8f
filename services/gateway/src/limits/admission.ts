import { randomInt } from 'node:crypto';
import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit';
import { detailOf } from '@seckill/contracts';
import { Problem, type Counter, type Http } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Redis } from 'ioredis';
// This import tells TypeScript of `request.identity`.
import type {} from '../identity/identity.ts';
import { WindowStore } from './window-store.ts';

export interface AdmissionDeps {
  /** Requests a second of one user. */
  userMax: number;
  /** Requests a second of one address: a whole neighbourhood may share one behind carrier NAT. */
  addressMax: number;
  /** Counts for all gateways together, on a Redis of its own. */
  shared?: { redis: Redis; failures: Counter };
}

export interface Admission {
  /** Runs after identity, and tells the limit in headers of the reply. @throws Problem `rate_limited` */
  admitUser(request: FastifyRequest, reply?: FastifyReply): Promise<void>;
  /** @throws Problem `rate_limited` */
  admitAddress(request: FastifyRequest, reply?: FastifyReply): Promise<void>;
}

/**
 * How many users and addresses are remembered at a time, 180 bytes each (measured): a crowd within its
 * second.
 */
const REMEMBERED_MAX = 200_000;
const WINDOW_MS = 1_000;
/** Whoever is refused comes back after 1 to 3 s, so not all come back in the same moment. */
const JITTER_SECONDS = 2;
/** After a failure the shared Redis is left alone this long. Otherwise every request would wait for it. */
const SHARED_PAUSE_MS = 1_000;

type Count = ReturnType<Http['createRateLimit']>;

interface Scope {
  name: 'user' | 'address';
  max: number;
  local: Count;
  shared: Count | undefined;
}

/**
 * Counts in this process, in fixed windows. With n gateways behind a balancer, a user gets at most n times
 * the limit. A shared store costs a round trip and a write per request, also for every "no". While the shared
 * store is away we count by ourselves.
 */
export async function createAdmission(app: Http, deps: AdmissionDeps): Promise<Admission> {
  const local = await createCounter(app, { store: storeClass(new WindowStore(REMEMBERED_MAX)) });
  const redis = deps.shared?.redis;
  const shared =
    redis === undefined ? undefined : await createCounter(app, { redis, nameSpace: 'seckill-limit-' });
  let sharedFrom = Number.NEGATIVE_INFINITY;

  const scope = (name: Scope['name'], max: number, keyOf: (request: FastifyRequest) => string): Scope => {
    const params = { max, keyGenerator: (request: FastifyRequest) => `${name} ${keyOf(request)}` };
    return { name, max, local: local(params), shared: shared?.(params) };
  };
  const user = scope('user', deps.userMax, (request) => request.identity.userId);
  const address = scope('address', deps.addressMax, addressOf);
  const policy = [user, address]
    .map(({ name, max }) => `"${name}";q=${max};w=${WINDOW_MS / 1_000}`)
    .join(', ');

  async function count(of: Scope, request: FastifyRequest) {
    if (of.shared === undefined || performance.now() < sharedFrom) return of.local(request);
    try {
      return await of.shared(request);
    } catch (error) {
      // The limit never opens: this process counts instead, and the failure is told.
      deps.shared?.failures.inc();
      if (performance.now() >= sharedFrom) {
        request.log.warn({ err: error }, 'requests are counted by each gateway: the shared Redis is away');
      }
      sharedFrom = performance.now() + SHARED_PAUSE_MS;
      return of.local(request);
    }
  }

  async function admit(of: Scope, request: FastifyRequest, reply?: FastifyReply): Promise<void> {
    const limit = await count(of, request);
    if (limit.isAllowed) return;
    // draft-ietf-httpapi-ratelimit-headers-10
    const seconds = Math.max(1, limit.ttlInSeconds);
    reply?.header('ratelimit-policy', policy);
    reply?.header('ratelimit', `"${of.name}";r=${limit.remaining};t=${seconds}`);
    if (!limit.isExceeded) return;
    throw new Problem('rate_limited', {
      detail: detailOf(`${of.name}_requests_exceeded`, { max: of.max }),
      retryAfterSeconds: seconds + randomInt(JITTER_SECONDS + 1),
    });
  }
  return {
    admitUser: (request, reply) => admit(user, request, reply),
    admitAddress: (request, reply) => admit(address, request, reply),
  };
}

/** Of IPv6 its /64. A client that reset its connection before it was counted has no address any more. */
export function addressOf(request: FastifyRequest): string {
  return request.socket.remoteAddress === undefined ? 'gone' : rateLimit.normalizeIP(request.ip);
}

type StoreOptions = Pick<NonNullable<Parameters<typeof rateLimit>[1]>, 'store' | 'redis' | 'nameSpace'>;

/** The plugin keeps one store per Fastify context; each of ours gets a context of its own. */
async function createCounter(app: Http, store: StoreOptions): Promise<Http['createRateLimit']> {
  let create: Http['createRateLimit'] | undefined;
  await app.register(async (context) => {
    await context.register(rateLimit, { global: false, timeWindow: WINDOW_MS, ...store });
    create = (params) => context.createRateLimit(params);
  });
  if (create === undefined) throw new Error('the rate limit was not registered');
  return create;
}

/** The shape that the plugin wants. Users and addresses are told apart by their keys. */
function storeClass(windows: WindowStore) {
  return class implements FastifyRateLimitStore {
    incr(
      key: string,
      callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
      windowMs: number,
    ): void {
      callback(null, windows.count(key, windowMs));
    }

    child(): this {
      return this;
    }
  };
}
