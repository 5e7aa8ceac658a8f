import { PROBLEMS } from '@seckill/contracts/problems';
import { currentLanguage, sayIfKnown, type Language } from './words.ts';

type Text = Record<Language, string>;

/** What operators read under a code of the API that no buyer hears. */
const CODES: Partial<Record<string, Text>> = {
  // What was changed.
  create: { en: 'created', zh: '新建' },
  change: { en: 'changed', zh: '修改' },
  pause: { en: 'paused', zh: '暂停' },
  resume: { en: 'resumed', zh: '恢复' },
  close: { en: 'closed', zh: '永久关闭' },
  restock: { en: 'restocked', zh: '补货' },
  adjust: { en: 'units taken out', zh: '调减' },
  pause_item: { en: 'item paused', zh: '暂停商品' },
  resume_item: { en: 'item resumed', zh: '恢复商品' },
  cancel_order: { en: 'order cancelled', zh: '取消订单' },
  return_order: { en: 'units came back', zh: '退货' },
  move_order: { en: 'order moved', zh: '更换自提点' },
  // Kinds of channels.
  community: { en: 'community', zh: '社区团' },
  content: { en: 'content', zh: '内容' },
  store: { en: 'store', zh: '门店' },
  platform: { en: 'platform', zh: '平台' },
  // Why money is due for refund.
  wrong_amount: { en: 'wrong amount', zh: '金额不符' },
  order_ended: { en: 'the order had ended', zh: '订单已结束' },
  second_payment: { en: 'second payment', zh: '重复付款' },
  other_order: { en: 'paid another order', zh: '已用于其他订单' },
  unknown_order: { en: 'no such order', zh: '订单不存在' },
  order_missing: { en: 'the order never came', zh: '订单始终未到' },
  no_order_yet: { en: 'waits for its order', zh: '等待订单入库' },
  returned: { en: 'units came back', zh: '商品退回' },
  group_failed: { en: 'the group purchase failed', zh: '未成团' },
  // What money did.
  already_paid: { en: 'a repeat', zh: '重复通知' },
  refund_due: { en: 'due for refund', zh: '待退款' },
  recorded: { en: 'recorded', zh: '已记录' },
  ignored: { en: 'ignored', zh: '已忽略' },
  // Group purchases.
  waiting: { en: 'not decided yet', zh: '尚未成团' },
  reached: { en: 'reached', zh: '已成团' },
  failed: { en: 'failed', zh: '未成团' },
  // Invariants.
  'INV-1': { en: 'never oversold', zh: '绝不超卖' },
  'INV-2': { en: 'nothing acknowledged is lost', zh: '已确认的不丢失' },
  'INV-3': { en: 'every unit is somewhere', zh: '库存守恒' },
  'INV-4': { en: 'same key, same answer', zh: '同键同答' },
  'INV-5': { en: 'settled once, and resold', zh: '结算一次并再售' },
  'INV-6': { en: 'limits hold', zh: '限购有效' },
};

const PROBLEM_TITLES: Partial<Record<string, { title: Text }>> = PROBLEMS;

/** The text of a code: ours, or what buyers read under it. Without either the code is shown. */
export const textOfCode = (code: string): string =>
  (CODES[code] ?? PROBLEM_TITLES[code]?.title)?.[currentLanguage()] ?? sayIfKnown(code);
