/** What the page says, in both languages. Titles of failures come from the API in the same language. */
export type Language = 'zh' | 'en';

const en = {
  shop: 'Flash sales',
  orders: 'My orders',
  otherLanguage: '中文',
  skip: 'Skip to the content',
  sandbox: 'A demo on this machine: you are signed in as a made-up buyer, and payments are a sandbox.',
  loading: 'Loading…',
  none: 'There is no sale yet.',
  noOrders: 'You have no order yet.',
  more: 'More',
  again: 'Try again',
  opensIn: 'Opens in',
  closesIn: 'Closes in',
  left: (available: number, total: number) => `${available} of ${total} left`,
  kitsLeft: (available: number) => `${available} can be made up`,
  limit: (count: number) => `At most ${count} per buyer`,
  joined: (count: number, minimum: number) => `Group purchase: ${count} of ${minimum} joined`,
  group: {
    waiting: 'The group purchase is decided after the close',
    reached: 'The group purchase is on',
    failed: 'Too few joined: paid money comes back',
  },
  state: { loading: 'Getting ready', scheduled: 'Soon', open: 'On sale', paused: 'Paused', closed: 'Closed' },
  soldOut: { no: '', held: 'All reserved, some may come back', final: 'Sold out' },
  saysSoldOut: (title: string) => `${title} is sold out`,
  saysBack: (title: string, count: number) => `${title}: ${count} for sale again`,
  less: (title: string) => `One ${title} less`,
  another: (title: string) => `One more ${title}`,
  inBasket: 'Basket',
  empty: 'Nothing chosen yet',
  units: (count: number) => (count === 1 ? '1 unit' : `${count} units`),
  buy: 'Buy now',
  buying: 'Buying…',
  waits: (reason: string) => `${reason}. Trying again…`,
  stop: 'Stop waiting',
  stopped: 'Stopped. Nothing more is tried.',
  doubt: 'We do not know whether it worked. Ask again: nothing is taken twice.',
  askAgain: 'Ask again',
  onlyLeft: (title: string, count: number) => `${title}: only ${count} left`,
  noConnection: 'The shop does not answer',
  order: 'Order',
  status: {
    pending: 'Waiting for payment',
    paid: 'Paid',
    cancelled: 'Cancelled',
    expired: 'Expired',
    refused: 'Refused',
  },
  payWithin: 'Pay within',
  pay: 'Pay (sandbox)',
  cancel: 'Cancel the order',
  pickupCode: 'Pick-up code',
  qr: (code: string) => `QR code of ${code}`,
  reservedAt: 'Reserved at',
  total: 'Total',
  back: 'Back to the sale',
};

export type Texts = typeof en;

const zh: Texts = {
  shop: '秒杀',
  orders: '我的订单',
  otherLanguage: 'English',
  skip: '跳到内容',
  sandbox: '本机演示：您以虚构买家身份登录，支付为沙盒。',
  loading: '加载中…',
  none: '还没有秒杀活动。',
  noOrders: '您还没有订单。',
  more: '更多',
  again: '重试',
  opensIn: '距开始',
  closesIn: '距结束',
  left: (available, total) => `剩 ${available} / ${total}`,
  kitsLeft: (available) => `可组成 ${available} 套`,
  limit: (count) => `每人限购 ${count} 件`,
  joined: (count, minimum) => `拼团：已参团 ${count} / ${minimum} 件`,
  group: { waiting: '结束后判定是否成团', reached: '已成团', failed: '未成团，已付款项将退回' },
  state: { loading: '准备中', scheduled: '即将开始', open: '抢购中', paused: '已暂停', closed: '已结束' },
  soldOut: { no: '', held: '已被订完，可能有人放弃', final: '已售罄' },
  saysSoldOut: (title) => `${title} 已售罄`,
  saysBack: (title, count) => `${title} 又有 ${count} 件可买`,
  less: (title) => `减少一件 ${title}`,
  another: (title) => `增加一件 ${title}`,
  inBasket: '购物篮',
  empty: '尚未选择',
  units: (count) => `${count} 件`,
  buy: '立即抢购',
  buying: '抢购中…',
  waits: (reason) => `${reason}，正在重试…`,
  stop: '不再等待',
  stopped: '已停止，不再重试。',
  doubt: '不确定是否成功。请再问一次，不会重复占用。',
  askAgain: '再问一次',
  onlyLeft: (title, count) => `${title} 只剩 ${count} 件`,
  noConnection: '商店没有响应',
  order: '订单',
  status: { pending: '待支付', paid: '已支付', cancelled: '已取消', expired: '已过期', refused: '已拒绝' },
  payWithin: '请在此时间内支付',
  pay: '支付（沙盒）',
  cancel: '取消订单',
  pickupCode: '取货码',
  qr: (code) => `${code} 的二维码`,
  reservedAt: '下单时间',
  total: '合计',
  back: '返回活动',
};

const CATALOGUE: Record<Language, Texts> = { zh, en };
const STORED = 'language';

const initial = localStorage.getItem(STORED) ?? navigator.language;
let language: Language = initial.startsWith('zh') ? 'zh' : 'en';

export const currentLanguage = (): Language => language;
export const texts = (): Texts => CATALOGUE[language];

export function switchLanguage(): void {
  language = language === 'zh' ? 'en' : 'zh';
  localStorage.setItem(STORED, language);
}

/** A title or description of the API: one text for all, or one for each language. */
export const localized = (text: string | Record<Language, string>): string =>
  typeof text === 'string' ? text : text[language];

/** Money comes in minor units. How many digits those are, the currency says. */
export function money({ amount, currency }: { amount: number; currency: string }): string {
  const format = new Intl.NumberFormat(language, { style: 'currency', currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

export const instant = (at: string): string =>
  new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(at));

/** `1:02:03`, or `02:03` within the last hour. */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return seconds < 3_600 ? rest : `${Math.floor(seconds / 3_600)}:${rest}`;
}
