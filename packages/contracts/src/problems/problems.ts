import type { ReserveOutcome } from './outcomes.ts';
import type { Translation } from '../values/text.ts';

/** Every error code of the API (RFC 9457). Codes never change; titles follow Accept-Language. */
interface ProblemKind {
  status: number;
  /**
   * Whether the same request may succeed later, unless the answer says otherwise: `item_paused`, `sold_out`,
   * `limit_reached`, `rejoin_later` and `channel_full` depend on what is held and paid, `nothing_to_pick_up`
   * on the group. `outcome_unknown` must be repeated with the same key.
   */
  retryable: boolean;
  title: Translation;
}

export const PROBLEMS = {
  // Why a reservation is refused, in the order of RESERVE_OUTCOMES.
  unauthenticated: { status: 401, retryable: false, title: { en: 'Sign in first', zh: '请先登录' } },
  rate_limited: { status: 429, retryable: true, title: { en: 'Too many requests', zh: '请求过于频繁' } },
  forbidden: { status: 403, retryable: false, title: { en: 'Not allowed', zh: '没有权限' } },
  body_too_large: { status: 413, retryable: false, title: { en: 'Body too large', zh: '请求体过大' } },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    title: { en: 'Send application/json', zh: '请使用 application/json' },
  },
  invalid_request: { status: 400, retryable: false, title: { en: 'Invalid request', zh: '请求无效' } },
  overloaded: { status: 503, retryable: true, title: { en: 'Busy, try again', zh: '系统繁忙,请重试' } },
  sale_unavailable: { status: 503, retryable: true, title: { en: 'Sale not ready', zh: '场次准备中' } },
  sale_not_found: { status: 404, retryable: false, title: { en: 'No such sale', zh: '场次不存在' } },
  key_reused: {
    status: 422,
    retryable: false,
    title: { en: 'Key used for another request', zh: '幂等键已用于其他请求' },
  },
  sale_closed: { status: 410, retryable: false, title: { en: 'Sale closed', zh: '场次已结束' } },
  sale_paused: { status: 409, retryable: true, title: { en: 'Sale paused', zh: '场次已暂停' } },
  sale_not_open: { status: 409, retryable: true, title: { en: 'Sale not open yet', zh: '场次未开始' } },
  sku_not_found: {
    status: 404,
    retryable: false,
    title: { en: 'No such item in the sale', zh: '场次无此商品' },
  },
  channel_not_found: { status: 404, retryable: false, title: { en: 'No such channel', zh: '渠道不存在' } },
  quantity_not_allowed: {
    status: 400,
    retryable: false,
    title: { en: 'Not sold in this quantity', zh: '不支持此购买数量' },
  },
  item_paused: { status: 409, retryable: true, title: { en: 'Item paused', zh: '商品已暂停销售' } },
  sold_out: { status: 409, retryable: true, title: { en: 'Sold out', zh: '已售罄' } },
  limit_reached: {
    status: 409,
    retryable: false,
    title: { en: 'Limit per buyer reached', zh: '已达限购数量' },
  },
  holds_exceeded: {
    status: 409,
    retryable: false,
    title: { en: 'Too many reservations in this sale', zh: '本场预订次数已用完' },
  },
  rejoin_later: {
    status: 409,
    retryable: true,
    title: { en: 'Wait before you reserve again', zh: '请稍后再次预订' },
  },
  channel_full: {
    status: 409,
    retryable: false,
    title: { en: 'Channel sold its share', zh: '渠道名额已满' },
  },
  // Answers of other calls, and those that have no place in the order.
  outcome_unknown: {
    status: 503,
    retryable: true,
    title: { en: 'Outcome unknown, repeat with the same key', zh: '结果未知,请用同一幂等键重试' },
  },
  ends_missing: {
    status: 409,
    retryable: false,
    title: {
      en: 'The sale was opened before: name the ends of Kafka',
      zh: '场次曾开放:需提供 Kafka 末尾位置',
    },
  },
  order_not_found: { status: 404, retryable: false, title: { en: 'No such order', zh: '订单不存在' } },
  order_not_ready: { status: 503, retryable: true, title: { en: 'Order on its way', zh: '订单生成中' } },
  order_not_pending: {
    status: 409,
    retryable: false,
    title: { en: 'Order already ended', zh: '订单已结束' },
  },
  nothing_to_return: {
    status: 409,
    retryable: false,
    title: { en: 'The order has no such units to return', zh: '订单没有可退的商品' },
  },
  pickup_not_found: {
    status: 404,
    retryable: false,
    title: { en: 'No order has this pick-up code here', zh: '此处没有该取货码的订单' },
  },
  already_picked_up: {
    status: 409,
    retryable: false,
    title: { en: 'Order was handed out already', zh: '订单已取货' },
  },
  nothing_to_pick_up: {
    status: 409,
    retryable: false,
    title: { en: 'The order has nothing to hand out', zh: '订单没有可取的商品' },
  },
  refund_not_found: { status: 404, retryable: false, title: { en: 'No such refund', zh: '退款不存在' } },
  refund_done: {
    status: 409,
    retryable: false,
    title: { en: 'Refund done under another reference', zh: '退款已以其他凭证完成' },
  },
  notice_not_found: { status: 404, retryable: false, title: { en: 'No such notice', zh: '通知不存在' } },
  notice_not_kept: {
    status: 409,
    retryable: false,
    title: { en: 'Notice no longer waits', zh: '通知已处理' },
  },
  notice_not_understood: {
    status: 409,
    retryable: false,
    title: { en: 'Notice still not understood', zh: '通知仍无法识别' },
  },
  dead_letter_not_found: {
    status: 404,
    retryable: false,
    title: { en: 'No such dead letter', zh: '死信不存在' },
  },
  dead_letter_not_replayable: {
    status: 409,
    retryable: false,
    title: { en: 'The dead letter cannot be replayed', zh: '该死信无法重放' },
  },
  webhook_endpoint_not_found: {
    status: 404,
    retryable: false,
    title: { en: 'No such webhook endpoint', zh: 'Webhook 端点不存在' },
  },
  webhook_endpoints_full: {
    status: 409,
    retryable: false,
    title: { en: 'No more webhook endpoints', zh: 'Webhook 端点已达上限' },
  },
  webhook_delivery_not_found: {
    status: 404,
    retryable: false,
    title: { en: 'No such delivery', zh: '投递记录不存在' },
  },
  bad_signature: { status: 401, retryable: false, title: { en: 'Bad signature', zh: '签名无效' } },
  version_conflict: {
    status: 412,
    retryable: false,
    title: { en: 'The sale was changed meanwhile', zh: '场次已被修改' },
  },
  not_changeable: {
    status: 409,
    retryable: false,
    title: { en: 'This cannot be changed any more', zh: '此项已不可修改' },
  },
  sale_exists: {
    status: 409,
    retryable: false,
    title: { en: 'Another sale has this id', zh: '场次编号已存在' },
  },
  not_found: { status: 404, retryable: false, title: { en: 'No such route', zh: '路径不存在' } },
  method_not_allowed: {
    status: 405,
    retryable: false,
    title: { en: 'Method not allowed', zh: '方法不允许' },
  },
  internal: { status: 500, retryable: false, title: { en: 'Internal error', zh: '内部错误' } },
} as const satisfies Record<ReserveOutcome, ProblemKind> & Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Body of every 4xx and 5xx answer. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** The request id. */
  instance: string;
  code: ProblemCode;
  retryable: boolean;
  [extra: string]: unknown;
}
