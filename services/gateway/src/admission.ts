import rateLimit from '@fastify/rate-limit';
import { Problem, type Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
// Tells TypeScript of `request.identity`.
import type {} from './identity.ts';

export interface AdmissionOptions {
  /** Requests a second of one user. */
  userMax: number;
  /** Requests a second of one address: a whole neighbourhood may share one behind carrier NAT. */
  addressMax: number;
}

export interface Admission {
  /** After identity. @throws Problem `rate_limited` */
  admitUser(request: FastifyRequest): Promise<void>;
  /** @throws Problem `rate_limited` */
  admitAddress(request: FastifyRequest): Promise<void>;
}

/** Users and addresses remembered at a time; the plugin's own 5,000 would forget a crowd within its second. */
const REMEMBERED_MAX = 100_000;
const WINDOW_MS = 1_000;

/**
 * Counts in this process, in fixed windows. A shared store would cost one more round trip and one more write per
 * request, also for every "no"; with n gateways behind a balancer a user gets at most n times the limit.
 */
export async function createAdmission(app: Http, options: AdmissionOptions): Promise<Admission> {
  await app.register(rateLimit, { global: false, cache: REMEMBERED_MAX, timeWindow: WINDOW_MS });
  const countUser = app.createRateLimit({
    max: options.userMax,
    keyGenerator: (request) => `user ${request.identity.userId}`,
  });
  const countAddress = app.createRateLimit({
    max: options.addressMax,
    keyGenerator: (request) => `address ${request.ip}`,
  });

  async function admit(count: typeof countUser, request: FastifyRequest, who: string): Promise<void> {
    const limit = await count(request);
    if (limit.isAllowed || !limit.isExceeded) return;
    throw new Problem('rate_limited', {
      detail: `more than ${limit.max} requests a second from this ${who}`,
      retryAfterSeconds: Math.max(1, limit.ttlInSeconds),
    });
  }
  return {
    admitUser: (request) => admit(countUser, request, 'user'),
    admitAddress: (request) => admit(countAddress, request, 'address'),
  };
}
