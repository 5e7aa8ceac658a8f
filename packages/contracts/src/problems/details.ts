import type { Translation } from '../values/text.ts';

/**
 * What a problem's `detail` says in place of the title of its code. `{name}` stands for a value. A detail is
 * for a person who reads it; programs go by `code` and its extra fields.
 */
export const DETAILS = {
  token_missing: { en: 'send a bearer token', zh: '请附上 Bearer 令牌' },
  token_expired: { en: 'the token has expired', zh: '令牌已过期' },
  token_invalid: { en: 'the token is not valid', zh: '令牌无效' },
  subject_invalid: {
    en: 'sub must be 1 to 128 visible ASCII characters',
    zh: 'sub 须为 1 至 128 个可见 ASCII 字符',
  },
  tokens_uncheckable: { en: 'tokens cannot be checked now', zh: '暂时无法校验令牌' },
  scope_missing: { en: 'the scope {scope} is required', zh: '需要权限 {scope}' },
  user_requests_exceeded: {
    en: 'more than {max} requests a second from this user',
    zh: '该用户每秒请求超过 {max} 次',
  },
  address_requests_exceeded: {
    en: 'more than {max} requests a second from this address',
    zh: '该地址每秒请求超过 {max} 次',
  },
  signature_header_missing: { en: 'a header is missing', zh: '缺少签名请求头' },
  signature_time_malformed: { en: 'the timestamp is no number', zh: '时间戳不是数字' },
  signature_time_off: {
    en: 'the timestamp is more than five minutes off',
    zh: '时间戳偏差超过五分钟',
  },
  signature_unmatched: { en: 'no signature matches', zh: '没有匹配的签名' },
  key_malformed: {
    en: 'Idempotency-Key: 1 to 255 visible ASCII characters are required',
    zh: 'Idempotency-Key:须为 1 至 255 个可见 ASCII 字符',
  },
  body_unexpected: { en: '{field}: this call takes no body', zh: '{field}:此接口不接受请求体' },
  header_not_taken: { en: '{field}: this call does not take it', zh: '{field}:此接口不接受该请求头' },
  key_without_id: {
    en: 'Idempotency-Key: a sale is created once by its id; send an `id` in the place of the key',
    zh: 'Idempotency-Key:场次以 id 去重,请发送 id 而不是幂等键',
  },
  file_has_all: { en: 'limit: a file has every line', zh: 'limit:文件包含所有行' },
  table_of_csv: { en: 'table: tables are told apart in CSV alone', zh: 'table:仅 CSV 区分表' },
  body_not_json: { en: 'the body is not well-formed JSON', zh: '请求体不是合法的 JSON' },
  body_not_utf8: { en: 'the body is not well-formed UTF-8', zh: '请求体不是合法的 UTF-8' },
  body_encoded: {
    en: 'send the body as it is, without Content-Encoding',
    zh: '请直接发送请求体,不要使用 Content-Encoding',
  },
  query_malformed: { en: '{field}: is not UTF-8, percent-encoded', zh: '{field}:不是百分号编码的 UTF-8' },
  path_malformed: { en: 'the path is malformed', zh: '路径格式错误' },
  members_repeated: {
    en: 'an object names a member twice',
    zh: '同一对象中有重复的字段',
  },
  request_malformed: { en: 'not a well-formed HTTP request', zh: '不是合法的 HTTP 请求' },
  sku_repeated: { en: '{field}: one line per SKU', zh: '{field}:每个 SKU 只能有一行' },
  reservation_unknown: {
    en: 'the reservation may have been made; repeat with the same key to learn',
    zh: '预订可能已成功;请用同一幂等键重试以确认',
  },
  unexpected: { en: 'an unexpected error; quote the request id', zh: '发生意外错误;请提供请求编号' },
  sum_not_exact: {
    en: 'a sum of money of this sale exceeds 2^53 minor units, which JSON numbers do not hold exactly',
    zh: '该场次的某项金额合计超过 2^53 最小货币单位,JSON 数字无法精确表示',
  },
  sale_retired: { en: 'the sale is retired', zh: '场次已归档' },
  change_unconfirmed: {
    en: 'stored, but stock has not confirmed yet; repeat',
    zh: '已保存,库存服务尚未确认;请重试',
  },
  adjustment_undecided: {
    en: 'another adjustment of this item is not decided yet; repeat',
    zh: '该商品的另一次调减尚未完成;请重试',
  },
  intake_behind: {
    en: 'the intake has not stored everything yet; repeat',
    zh: '订单尚未全部入库;请重试',
  },
  all_returned: { en: 'everything of the order came back', zh: '订单商品已全部退回' },
  group_waiting: { en: 'its group purchase is not decided yet', zh: '尚未判定是否成团' },
  group_failed: { en: 'its group purchase failed', zh: '未成团' },
  no_such_letter: { en: 'there is no dead letter {id}', zh: '没有死信 {id}' },
  letter_foreign: { en: 'cannot replay to topic {topic}', zh: '不能重放到主题 {topic}' },
  letter_truncated: {
    en: 'too large for a letter: the original is at offset {offset} of {topic}, {partition}',
    zh: '消息过大,未存入死信:原消息位于 {topic} 分区 {partition} 的偏移 {offset}',
  },
  kafka_slow: { en: '{topic}: no answer from Kafka in time; repeat', zh: '{topic}:Kafka 未及时应答;请重试' },
  refund_done_under: { en: 'done under {reference}', zh: '已以 {reference} 完成' },
  notice_unclear: { en: '{reason}', zh: '通知仍无法识别:{reason}' },

  // `{field}: ` and one of these.
  instant_unreal: { en: '{field}: is no real instant', zh: '{field}:不是真实存在的时间' },
  instant_too_early: { en: '{field}: is before 1970', zh: '{field}:早于 1970 年' },
  closes_before_opening: { en: '{field}: must be after opensAt', zh: '{field}:须晚于 opensAt' },
  instant_passed: { en: '{field}: has passed', zh: '{field}:已过去' },
  metadata_invalid: {
    en: '{field}: at most {max} bytes and {depth} levels of JSON, with exact numbers and without NUL',
    zh: '{field}:JSON 不得超过 {max} 字节、{depth} 层,数字须可精确表示,且不含 NUL 字符',
  },
  contact_not_kept: {
    en: '{field}: this service keeps no contacts',
    zh: '{field}:本服务不保存联系人信息',
  },
  repeated: { en: '{field}: comes twice', zh: '{field}:重复出现' },
  not_multiple: {
    en: '{field}: must be a multiple of step, {max}',
    zh: '{field}:须为 step({max})的整数倍',
  },
  currency_mixed: { en: '{field}: a sale has one currency', zh: '{field}:一个场次只能有一种货币' },
  adjust_upwards: {
    en: '{field}: must be below 0; POST …/items/:sku/restock adds units',
    zh: '{field}:须小于 0;增加库存请用 POST …/items/:sku/restock',
  },
  kit_without_units: {
    en: '{field}: is a kit and has no units of its own; change those of its parts',
    zh: '{field}:是套装,自身没有库存;请调整其组成商品',
  },
  kit_with_total: {
    en: '{field}: a kit has none, its parts do',
    zh: '{field}:套装自身没有此项,由其组成商品决定',
  },
  kit_of_kits: { en: '{field}: is a kit itself', zh: '{field}:本身是套装' },
  total_exceeded: { en: '{field}: the total would exceed {max}', zh: '{field}:总数将超过 {max}' },
  cursor_foreign: {
    en: '{field}: is not one that was answered before',
    zh: '{field}:不是此前返回的游标',
  },
  not_of_sale: { en: '{field}: is not of this sale', zh: '{field}:不属于该场次' },
  differs_from_path: { en: '{field}: differs from the path', zh: '{field}:与路径不一致' },
  url_malformed: { en: '{field}: is no address', zh: '{field}:不是合法的地址' },
  url_not_https: { en: '{field}: must begin with https://', zh: '{field}:须以 https:// 开头' },
  url_with_password: {
    en: '{field}: must not carry a user or password',
    zh: '{field}:不得包含用户名或密码',
  },
  url_not_public: {
    en: '{field}: is no address on the internet',
    zh: '{field}:不是公网地址',
  },
  missing_or_malformed: { en: '{field}: is missing or malformed', zh: '{field}:缺失或格式错误' },

  // What a schema finds, by the keyword of JSON Schema.
  schema_required: { en: '{field}: is required', zh: '{field}:必填' },
  schema_additionalProperties: { en: '{field}: is not a known field', zh: '{field}:未知字段' },
  schema_type: { en: '{field}: must be of type {type}', zh: '{field}:类型须为 {type}' },
  schema_pattern: { en: '{field}: has not the form that is required', zh: '{field}:格式不符合要求' },
  schema_minimum: { en: '{field}: must be at least {limit}', zh: '{field}:不得小于 {limit}' },
  schema_maximum: { en: '{field}: must be at most {limit}', zh: '{field}:不得大于 {limit}' },
  schema_minItems: { en: '{field}: must have at least {limit} items', zh: '{field}:至少 {limit} 项' },
  schema_maxItems: { en: '{field}: must have at most {limit} items', zh: '{field}:至多 {limit} 项' },
  schema_minLength: {
    en: '{field}: must have at least {limit} characters',
    zh: '{field}:至少 {limit} 个字符',
  },
  schema_maxLength: {
    en: '{field}: must have at most {limit} characters',
    zh: '{field}:至多 {limit} 个字符',
  },
  schema_other: { en: '{field}: is not an allowed value', zh: '{field}:不是允许的值' },
} as const satisfies Record<string, Translation>;

export type DetailKey = keyof typeof DETAILS;

/** The detail with its values put in, in both languages. */
export function detailOf(key: DetailKey, values: Record<string, string | number> = {}): Translation {
  const { en, zh } = DETAILS[key];
  return { en: fillGaps(en, values), zh: fillGaps(zh, values) };
}

/** The text with its values put in where it names them in braces. A gap without a value stays. */
export function fillGaps(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (gap, name: string) => String(values[name] ?? gap));
}
