import { randomUUID } from 'node:crypto';
import type { Plan } from './load-plan.ts';
import { pick, seededRandom } from '../random.ts';
import { createTokenSigner } from '../target/token-signer.ts';

export type RequestKind = 'reserve' | 'browse' | 'pay';

/** One request and its sender. */
export interface BenchRequest {
  kind: RequestKind;
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  userId: string;
  /** The idempotency key of a reservation, or the order id of a payment. */
  subject: string;
}

/**
 * Tokens signed before the run. At 200 bytes each they take 60 MB. A longer run signs the tokens beyond them
 * while it runs, at 6 µs a token.
 */
const SIGNED_BEFORE_MAX = 300_000;
/** The most orders that are remembered for payments. Older ones are forgotten. */
const PAYABLE_MAX = 10_000;
const USER_ID_LENGTH = 16;

interface Buyer {
  userId: string;
  token: string;
}

/** Makes the requests of a plan. Each reservation has a user, a token and a key of its own. */
export class RequestMaker {
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #sign: (userId: string) => string;
  readonly #path: string;
  readonly #prefix: string;
  readonly #signed: Buyer[] = [];
  readonly #payable: { orderId: string; userId: string }[] = [];
  readonly #hot: Buyer;
  #buyers = 0;
  #repeated: BenchRequest | undefined;
  #sendsLeft = 0;
  /** The tag of the sale as it was read last. */
  #etag: string | undefined;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    this.#sign = createTokenSigner(plan.jwtSecret);
    this.#path = `/v1/sales/${plan.saleId}/reservations`;
    // Each run of one sale has different buyers. The same buyers would meet their earlier keys and limits.
    this.#prefix = randomUUID().slice(0, 6);
    this.#hot = { userId: `hot-${this.#prefix}`, token: this.#sign(`hot-${this.#prefix}`) };
  }

  /** Signs tokens before the clock runs. */
  signBefore(count: number): void {
    for (let index = 0; index < Math.min(count, SIGNED_BEFORE_MAX); index += 1) {
      this.#signed.push(this.#newBuyer(index));
    }
  }

  next(): BenchRequest {
    const { browseShare, payShare } = this.#plan.traffic;
    const part = browseShare + payShare === 0 ? 1 : this.#random();
    if (part < browseShare) return this.#browse();
    const order = part < browseShare + payShare ? this.#payable.shift() : undefined;
    return order === undefined ? this.#reserve() : this.#pay(order);
  }

  /** Remembers an order that may be paid later. */
  reserved(orderId: string, userId: string): void {
    if (this.#plan.traffic.payShare === 0) return;
    if (this.#payable.length >= PAYABLE_MAX) this.#payable.shift();
    this.#payable.push({ orderId, userId });
  }

  /** Remembers the tag of an answer to a reading. */
  saw(etag: string | undefined): void {
    this.#etag = etag ?? this.#etag;
  }

  #newBuyer(index: number): Buyer {
    const userId = `${this.#prefix}-${String(index).padStart(USER_ID_LENGTH - this.#prefix.length - 1, '0')}`;
    return { userId, token: this.#sign(userId) };
  }

  #reserve(): BenchRequest {
    if (this.#repeated !== undefined && this.#sendsLeft > 0) {
      this.#sendsLeft -= 1;
      return { ...this.#repeated };
    }
    const { skus, channelIds, quantityMax, hotShare, sendsPerKey } = this.#plan.traffic;
    const index = this.#buyers++;
    const isHot = hotShare > 0 && this.#random() < hotShare;
    const { userId, token } = isHot ? this.#hot : (this.#signed[index] ?? this.#newBuyer(index));
    const quantity = quantityMax === 1 ? 1 : 1 + Math.floor(this.#random() * quantityMax);
    const key = randomUUID();
    const request: BenchRequest = {
      kind: 'reserve',
      method: 'POST',
      path: this.#path,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({
        lines: [{ sku: pick(this.#random, skus), quantity }],
        ...(channelIds.length === 0 ? {} : { channelId: pick(this.#random, channelIds) }),
      }),
      userId,
      subject: key,
    };
    this.#repeated = request;
    this.#sendsLeft = sendsPerKey - 1;
    return request;
  }

  #browse(): BenchRequest {
    const { saleId, traffic } = this.#plan;
    const isTagged = this.#etag !== undefined && this.#random() < traffic.taggedShare;
    return {
      kind: 'browse',
      method: 'GET',
      path: `/v1/sales/${saleId}`,
      headers: isTagged ? { 'if-none-match': this.#etag ?? '' } : {},
      body: undefined,
      userId: '',
      subject: saleId,
    };
  }

  #pay({ orderId, userId }: { orderId: string; userId: string }): BenchRequest {
    return {
      kind: 'pay',
      method: 'POST',
      path: `/v1/orders/${orderId}/pay`,
      headers: { authorization: `Bearer ${this.#sign(userId)}` },
      body: undefined,
      userId,
      subject: orderId,
    };
  }
}
