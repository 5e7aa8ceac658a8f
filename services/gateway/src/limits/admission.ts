import { randomInt } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
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

/**
 * Counts at once where this process counts. There is a promise only where the shared Redis counts: a promise
 * for each limit of each request would cost 3 µs.
 * @throws Problem `rate_limited`, or the promise rejects with it
 */
type Admit = (request: FastifyRequest, reply?: FastifyReply) => Promise<void> | undefined;

export interface Admission {
  /** Runs after identity, and tells the limit in headers of the reply. */
  admitUser: Admit;
  admitAddress: Admit;
}

/**
 * How many users, and how many addresses, are remembered at a time, 180 bytes each (measured): a crowd within
 * its second.
 */
const REMEMBERED_MAX = 200_000;
const WINDOW_MS = 1_000;
/** A client that is refused comes back after 1 to 3 s, so not all come back at the same moment. */
const JITTER_SECONDS = 2;
/** After a failure the shared Redis is left alone this long. Otherwise every request would wait for it. */
const SHARED_PAUSE_MS = 1_000;

type Count = ReturnType<Http['createRateLimit']>;

interface Scope {
  name: 'user' | 'address';
  max: number;
  keyOf: (request: FastifyRequest) => string;
  local: WindowStore;
  shared: Count | undefined;
}

interface Counted {
  remaining: number;
  isExceeded: boolean;
  ttlMs: number;
}

/**
 * Counts in this process, in fixed windows. With n gateways behind a balancer, a user gets at most n times
 * the limit. A shared store costs a round trip and a write per request, also for every "no". While the shared
 * store is away we count by ourselves.
 */
export async function createAdmission(app: Http, deps: AdmissionDeps): Promise<Admission> {
  const redis = deps.shared?.redis;
  const shared =
    redis === undefined ? undefined : await createCounter(app, { redis, nameSpace: 'seckill-limit-' });
  let sharedFrom = Number.NEGATIVE_INFINITY;

  const scope = (name: Scope['name'], max: number, keyOf: (request: FastifyRequest) => string): Scope => {
    const params = { max, keyGenerator: (request: FastifyRequest) => `${name} ${keyOf(request)}` };
    return { name, max, keyOf, local: new WindowStore(REMEMBERED_MAX), shared: shared?.(params) };
  };
  const user = scope('user', deps.userMax, (request) => request.identity.userId);
  const address = scope('address', deps.addressMax, addressOf);
  const policy = [user, address]
    .map(({ name, max }) => `"${name}";q=${max};w=${WINDOW_MS / 1_000}`)
    .join(', ');

  function countHere({ local, keyOf, max }: Scope, request: FastifyRequest): Counted {
    const { current, ttl } = local.count(keyOf(request), WINDOW_MS);
    return { remaining: Math.max(0, max - current), isExceeded: current > max, ttlMs: ttl };
  }

  async function countShared(of: Scope, shared: Count, request: FastifyRequest): Promise<Counted> {
    try {
      const limit = await shared(request);
      if (limit.isAllowed) throw new Error('nobody is exempt from the limits');
      return { remaining: limit.remaining, isExceeded: limit.isExceeded, ttlMs: limit.ttl };
    } catch (error) {
      // The limit never opens: this process counts instead, and the failure is told.
      deps.shared?.failures.inc();
      if (performance.now() >= sharedFrom) {
        request.log.warn({ err: error }, 'requests are counted by each gateway: the shared Redis is away');
      }
      sharedFrom = performance.now() + SHARED_PAUSE_MS;
      return countHere(of, request);
    }
  }

  function admit(of: Scope, request: FastifyRequest, reply?: FastifyReply): Promise<void> | undefined {
    if (of.shared === undefined || performance.now() < sharedFrom) {
      judge(of, countHere(of, request), reply);
      return undefined;
    }
    return countShared(of, of.shared, request).then((counted) => {
      judge(of, counted, reply);
    });
  }

  function judge(of: Scope, { remaining, isExceeded, ttlMs }: Counted, reply?: FastifyReply): void {
    // draft-ietf-httpapi-ratelimit-headers-10
    const seconds = Math.max(1, Math.ceil(ttlMs / 1_000));
    reply?.header('ratelimit-policy', policy);
    reply?.header('ratelimit', `"${of.name}";r=${remaining};t=${seconds}`);
    if (!isExceeded) return;
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

/**
 * The address that is counted, for IPv6 its /64. A client that reset its connection before it was counted has
 * no address any more.
 */
export function addressOf(request: FastifyRequest): string {
  if (request.socket.remoteAddress === undefined) return 'gone';
  const { ip } = request;
  return ip.includes(':') ? rateLimit.normalizeIP(ip) : ip;
}

type StoreOptions = Pick<NonNullable<Parameters<typeof rateLimit>[1]>, 'redis' | 'nameSpace'>;

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
