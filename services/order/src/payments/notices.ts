import { detailOf, type KeptNotice, type KeptNoticePage, type PaymentResult } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import {
  endNotice,
  keepNotice,
  listNotices,
  readKeptNotice,
  updateReason,
  type NoticeQuery,
  type SignedNotice,
} from './kept-notices.ts';
import { readNotice } from './notice-reading.ts';
import type { Payments, PaymentsDeps } from './payments.ts';

export interface NoticesDeps extends Pick<PaymentsDeps, 'pool' | 'logger' | 'metrics'> {
  payments: Payments;
}

/**
 * Signed notices, byte by byte. Each is applied, or ignored because it tells of something else, or kept for a
 * person.
 */
export class Notices {
  readonly #deps: NoticesDeps;

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
  }

  /** @throws Problem `overloaded`; Postgres' own error, and then the provider sends the notice again. */
  async receive(signed: SignedNotice): Promise<PaymentResult> {
    const { pool, logger, metrics, payments } = this.#deps;
    const reading = readNotice(signed.bytes);
    if (reading.kind === 'payment') return payments.accept(reading.notification);
    const { webhookId } = signed;
    if (reading.kind === 'ignored') {
      logger.info({ webhookId, type: reading.type.slice(0, 100) }, 'payments: a notice of another type');
      metrics.payments.inc({ result: 'ignored' });
      return 'ignored';
    }
    const { id: noticeId, isNew } = await keepNotice(pool, signed, reading.reason);
    metrics.payments.inc({ result: 'kept' });
    logger.error(
      { noticeId, webhookId, reason: reading.reason, isNew },
      'payments: a signed notice is not understood, and is kept',
    );
    return 'kept';
  }

  list(query: NoticeQuery): Promise<KeptNoticePage> {
    return listNotices(this.#deps.pool, query);
  }

  /** @throws Problem `notice_not_found` */
  async read(id: string): Promise<KeptNotice> {
    const notice = await readKeptNotice(this.#deps.pool, id);
    if (notice === undefined) throw new Problem('notice_not_found');
    return notice;
  }

  /**
   * Reads the notice again, after the software learned to, or in the words of a person who knows what was
   * meant. A repeat answers what the first replay did.
   * @param inOtherWords the notice as it should have been; its bytes stay as they came.
   * @throws Problem `notice_not_understood` and nothing has changed, also for a type that is no payment: the
   * notice would end, and its money be in no list; `notice_not_kept` when a person marked
   * it as done; `notice_not_found`; else as `receive`.
   */
  async replay(id: string, inOtherWords?: Buffer): Promise<KeptNotice> {
    const { pool, payments, logger } = this.#deps;
    const notice = await this.read(id);
    if (notice.state === 'replayed') return notice;
    if (notice.state === 'done') {
      throw new Problem('notice_not_kept', { extra: { reference: notice.reference } });
    }
    const reading = readNotice(inOtherWords ?? Buffer.from(notice.body, 'base64'));
    if (reading.kind !== 'payment') {
      const reason = reading.kind === 'unclear' ? reading.reason : 'type is not payment.succeeded';
      if (inOtherWords === undefined) await updateReason(pool, id, reason);
      throw new Problem('notice_not_understood', { detail: detailOf('notice_unclear', { reason }) });
    }
    // The money comes first. After a crash between the two the replay is repeated, and the payment knows
    // its repeat.
    const result = await payments.accept(reading.notification);
    await endNotice(pool, id, { state: 'replayed', result });
    const ended = await this.read(id);
    if (ended.state === 'done') {
      // A person gave the money back while we applied the notice. The money is in the books twice.
      logger.error({ noticeId: id, result }, 'payments: a notice was replayed, and marked as done meanwhile');
      throw new Problem('notice_not_kept', { extra: { reference: ended.reference } });
    }
    return ended;
  }

  /**
   * Marks a notice as done, because a person dealt with the money elsewhere. A repeat with the same
   * reference changes nothing.
   * @throws Problem `notice_not_kept` when the notice was replayed, or is done under another reference.
   */
  async done(id: string, reference: string): Promise<KeptNotice> {
    await this.read(id);
    await endNotice(this.#deps.pool, id, { state: 'done', reference });
    const notice = await this.read(id);
    if (notice.state === 'done' && notice.reference === reference) return notice;
    throw new Problem('notice_not_kept', {
      extra: notice.state === 'done' ? { reference: notice.reference } : { result: notice.result },
    });
  }
}
