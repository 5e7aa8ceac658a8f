import { ControlState, type Opening, type Snapshot } from '@seckill/contracts';
import { Upstream } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

/** `conflict`: order refuses, and a repeat will not change that; `unavailable`: it could not answer now. */
export class OrderError extends Error {
  override readonly name = 'OrderError';
  readonly code: 'SECKILL_ORDER_CONFLICT' | 'SECKILL_ORDER_UNAVAILABLE';
  constructor(kind: 'conflict' | 'unavailable', message: string) {
    super(message);
    this.code = kind === 'conflict' ? 'SECKILL_ORDER_CONFLICT' : 'SECKILL_ORDER_UNAVAILABLE';
  }
}

/** A snapshot may carry every order of a sale. */
const SNAPSHOT_TIMEOUT_MS = 30_000;
const controlState = Compile(ControlState);

/** What stock asks of order. Nothing here repeats by itself: order repeats its PUT until we acknowledge. */
export class OrderClient {
  readonly #upstream: Upstream;

  constructor(options: { url: string; token: string }) {
    this.#upstream = new Upstream({ ...options, connections: 8, timeoutMs: 3_000 });
  }

  /** Raises the sale's epoch. @throws OrderError, UpstreamError */
  async takeSnapshot(saleId: string): Promise<Snapshot> {
    const body = (await this.#post(saleId, 'snapshots', {}, SNAPSHOT_TIMEOUT_MS)) as Partial<Snapshot>;
    const { epoch, control, orders } = body;
    if (!Number.isSafeInteger(epoch) || !controlState.Check(control) || !Array.isArray(orders)) {
      throw new OrderError('unavailable', 'the snapshot is not one');
    }
    return { epoch: epoch ?? 0, control, orders };
  }

  /** May this epoch open? @throws OrderError, UpstreamError */
  async askOpening(saleId: string, epoch: number): Promise<boolean> {
    const body = (await this.#post(saleId, 'openings', { epoch })) as Partial<Opening>;
    return body.granted === true && body.epoch === epoch;
  }

  async #post(saleId: string, what: string, body: object, timeoutMs?: number): Promise<object> {
    const path = `/internal/sales/${saleId}/${what}`;
    const answer = await this.#upstream.call({
      method: 'POST',
      path,
      body,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    if (answer.status === 409) throw new OrderError('conflict', `order refuses ${what} of ${saleId}`);
    if (answer.status >= 300 || typeof answer.body !== 'object' || answer.body === null) {
      throw new OrderError('unavailable', `${what} of ${saleId}: order answered ${answer.status}`);
    }
    return answer.body;
  }

  async close(): Promise<void> {
    await this.#upstream.close();
  }
}
