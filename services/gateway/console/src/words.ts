const en = {
  console: 'Seckill console',
  sales: 'Sales',
  create: 'New sale',
  order: 'Order',
  language: '中文',
  signOut: 'Sign out',
  signIn: 'Sign in',
  token: "Operator's token",
  tokenHint:
    'It stays in the memory of this page and is gone when you reload. Make one: npm run token -- --user you --admin',
  notOperator: 'This token is not one of an operator (scope sale:admin).',
  loading: 'Loading…',
  none: 'None',
  title: 'Title',
  state: 'State',
  opens: 'Opens',
  closes: 'Closes',
  left: 'Left',
  total: 'Total',
  available: 'Available',
  held: 'Held',
  paid: 'Paid',
  rate: 'Taken a second',
  burnDown: 'Burn-down',
  burnDownText: 'Units that are available and held, since this page was opened',
  items: 'Items',
  channels: 'Channels',
  kind: 'Kind',
  partner: 'Partner',
  cap: 'Cap',
  invariants: 'Invariants',
  holds: 'holds',
  in_flight: 'in flight',
  broken: 'broken',
  changes: 'Changes',
  at: 'At',
  by: 'By',
  action: 'Action',
  reason: 'Reason',
  pause: 'Pause',
  resume: 'Resume',
  close: 'Close for ever',
  restock: 'Restock',
  quantity: 'Quantity',
  cancel: 'Cancel',
  cancelOrder: 'Cancel the order',
  confirm: 'Do it',
  sure: 'Really?',
  connected: 'Live',
  waiting: 'No news: trying again. What you see may be old.',
  orderId: "Order's id",
  find: 'Find',
  saleJson: 'The sale, as the API takes it (JSON)',
  createIt: 'Create',
  notJson: 'This is no JSON',
  scheduled: 'scheduled',
  open: 'open',
  paused: 'paused',
  closed: 'closed',
};

export type Word = keyof typeof en;

const zh: Record<Word, string> = {
  console: '秒杀控制台',
  sales: '场次',
  create: '新建场次',
  order: '订单',
  language: 'English',
  signOut: '退出',
  signIn: '登录',
  token: '运营令牌',
  tokenHint: '令牌只留在本页内存中,刷新后即消失。生成:npm run token -- --user you --admin',
  notOperator: '此令牌没有运营权限(sale:admin)。',
  loading: '加载中…',
  none: '无',
  title: '标题',
  state: '状态',
  opens: '开始',
  closes: '结束',
  left: '剩余',
  total: '总数',
  available: '可售',
  held: '待付款',
  paid: '已付款',
  rate: '每秒售出',
  burnDown: '库存走势',
  burnDownText: '打开本页以来的可售与待付款数量',
  items: '商品',
  channels: '渠道',
  kind: '类型',
  partner: '团长',
  cap: '上限',
  invariants: '不变量',
  holds: '成立',
  in_flight: '传输中',
  broken: '被破坏',
  changes: '变更记录',
  at: '时间',
  by: '操作人',
  action: '操作',
  reason: '原因',
  pause: '暂停',
  resume: '恢复',
  close: '永久关闭',
  restock: '补货',
  quantity: '数量',
  cancel: '取消',
  cancelOrder: '取消订单',
  confirm: '确认执行',
  sure: '确定吗?',
  connected: '实时',
  waiting: '连接中断,正在重试,所见数据可能已旧。',
  orderId: '订单号',
  find: '查询',
  saleJson: '场次内容(API 的 JSON)',
  createIt: '创建',
  notJson: '不是有效的 JSON',
  scheduled: '未开始',
  open: '进行中',
  paused: '已暂停',
  closed: '已结束',
};

export type Language = 'en' | 'zh';

let language: Language = navigator.language.startsWith('zh') ? 'zh' : 'en';

export const currentLanguage = (): Language => language;

export function setLanguage(to: Language): void {
  language = to;
  document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en';
}

export const say = (word: Word): string => (language === 'zh' ? zh : en)[word];

/** The page's word for a word of the API, such as a state. Without one the API's word is shown. */
export const sayIfKnown = (word: string): string => (word in en ? say(word as Word) : word);

export const textOf = (text: string | { en?: string; zh?: string }): string =>
  typeof text === 'string' ? text : (text[language] ?? text.zh ?? text.en ?? '');

export const timeOf = (instant: string | undefined): string =>
  instant === undefined ? '' : new Date(instant).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB');
