import type { Translation } from '../values/text.ts';

interface Cause {
  /** What is so now. `{name}` stands for a value. */
  text: Translation;
  /** What a person does about it. */
  do: Translation;
}

/**
 * Why a sale sells nothing, or not all that it could, or will soon stop to. Buyers hear the code of the same
 * name where there is one (`PROBLEMS`).
 */
export const CAUSES = {
  // Nobody can reserve.
  stock_away: {
    text: {
      en: 'The gateway gets no answer from stock that it can use. Buyers hear sale_unavailable.',
      zh: '网关收不到库存服务的可用应答。买家收到 sale_unavailable。',
    },
    do: {
      en: 'See whether the processes of stock with the role http run and are ready, and whether STOCK_URL of the gateway leads there. What was reserved stays.',
      zh: '检查库存服务(角色 http)的进程是否在运行并就绪,以及网关的 STOCK_URL 是否指向它。已预订的不会丢失。',
    },
  },
  redis_away: {
    text: {
      en: 'Stock does not reach the Redis of this sale. Buyers hear sale_unavailable.',
      zh: '库存服务连不上该场次所在的 Redis。买家收到 sale_unavailable。',
    },
    do: {
      en: 'See whether Redis runs, and whether REDIS_URL of stock leads there. The sale opens by itself once Redis is back, or another one in its place.',
      zh: '检查 Redis 是否在运行,以及库存服务的 REDIS_URL 是否指向它。Redis 恢复或被替换后,场次会自动重新开放。',
    },
  },
  lane_damaged: {
    text: {
      en: 'What Redis holds of this sale cannot be read: something other than this service has written there.',
      zh: 'Redis 中该场次的数据无法读取:有本服务以外的程序写入过。',
    },
    do: {
      en: 'Stock loads the sale anew from PostgreSQL by itself, mostly within seconds, as soon as order, Kafka and PostgreSQL answer. Find out who else writes to this Redis, by the log lines of stock. If it lasts longer than a minute, go by the runbook SeckillLanesClosed.',
      zh: '只要订单服务、Kafka 与 PostgreSQL 都有应答,库存服务通常几秒内自动从 PostgreSQL 重新装载。请根据库存服务的日志查明还有谁在写这个 Redis。若超过一分钟,请按运行手册 SeckillLanesClosed 处理。',
    },
  },
  gate_missing: {
    text: {
      en: 'Redis has nothing of this sale, and without order nobody can tell whether there is such a sale.',
      zh: 'Redis 中没有该场次;没有订单服务的应答,无法得知该场次是否存在。',
    },
    do: {
      en: 'Bring order back, and ask again. A sale that order knows and that is not over opens by itself then.',
      zh: '先恢复订单服务,再查询一次。订单服务记录的、尚未结束的场次届时会自动开放。',
    },
  },
  gate_closed: {
    text: {
      en: 'The lane of this sale is closed in Redis (gate: {gate}), for a check or a load. Buyers hear sale_unavailable.',
      zh: '该场次在 Redis 中的通道已关闭(闸门:{gate}),正在核对或装载。买家收到 sale_unavailable。',
    },
    do: {
      en: 'It opens by itself, mostly within seconds, as soon as stock, order, Kafka and PostgreSQL answer. If it lasts longer than a minute, go by the runbook SeckillLanesClosed.',
      zh: '只要库存服务、订单服务、Kafka 与 PostgreSQL 都有应答,通常几秒内自动开放。若超过一分钟,请按运行手册 SeckillLanesClosed 处理。',
    },
  },
  sale_closed: {
    text: {
      en: 'The sale is over: its end has come, or it was closed by hand.',
      zh: '场次已结束:到了结束时间,或已被手动关闭。',
    },
    do: {
      en: 'Nothing. A closed sale never opens again; make a new one to sell on. Before the end, PATCH closesAt prolongs a sale.',
      zh: '无需处理。已结束的场次不会再开放;如需继续销售,请新建场次。结束之前可用 PATCH closesAt 延长。',
    },
  },
  sale_paused: {
    text: { en: 'An operator has paused the sale.', zh: '场次已被运营人员暂停。' },
    do: {
      en: 'POST …/resume sells on. The trail of changes says who paused it, and why.',
      zh: '用 POST …/resume 恢复销售。变更记录中有暂停人及原因。',
    },
  },
  sale_not_open: {
    text: { en: 'The sale has not opened yet.', zh: '场次尚未开始。' },
    do: {
      en: 'Wait for opensAt, or bring it forward with PATCH opensAt.',
      zh: '等待 opensAt,或用 PATCH opensAt 提前开始。',
    },
  },
  outbox_full: {
    text: {
      en: '{count} reservations wait for Kafka, and no more than {max} may. Buyers hear overloaded.',
      zh: '有 {count} 笔预订在等待 Kafka,上限为 {max}。买家收到 overloaded。',
    },
    do: {
      en: 'See whether Kafka answers, and whether a process of stock with the role relay runs. Selling goes on as soon as entries have left. Runbook SeckillOutboxFull.',
      zh: '检查 Kafka 是否有应答,以及库存服务(角色 relay)的进程是否在运行。条目送出后立即恢复销售。运行手册:SeckillOutboxFull。',
    },
  },

  // Some buyers cannot reserve, or some items cannot be reserved.
  item_paused: {
    text: { en: 'An operator has paused these items.', zh: '这些商品已被运营人员暂停。' },
    do: {
      en: 'POST …/items/:sku/resume sells them on. A kit sells when all of its parts do.',
      zh: '用 POST …/items/:sku/resume 恢复销售。套装需其全部组成商品都可售。',
    },
  },
  sold_out: {
    text: { en: 'Every unit of these items is paid or gone.', zh: '这些商品已全部售出。' },
    do: {
      en: 'POST …/items/:sku/restock adds units, if there are any.',
      zh: '如有存货,可用 POST …/items/:sku/restock 增加库存。',
    },
  },
  sold_out_for_now: {
    text: {
      en: 'No unit of these items is available: some are held, or there are none yet.',
      zh: '这些商品暂无可售:部分被占用中,或尚未备货。',
    },
    do: {
      en: 'Nothing: units of holds that end unpaid are for sale again within seconds. POST …/items/:sku/restock adds units.',
      zh: '无需处理:未付款的占用到期后几秒内恢复可售。可用 POST …/items/:sku/restock 增加库存。',
    },
  },
  too_few_left: {
    text: {
      en: 'Fewer units of these items are left than one order takes at least.',
      zh: '这些商品的剩余数量少于单笔起订量。',
    },
    do: {
      en: 'POST …/items/:sku/restock fills up to a whole quantity, POST …/items/:sku/adjust takes the rest out.',
      zh: '用 POST …/items/:sku/restock 补足起订量,或用 POST …/items/:sku/adjust 调减余量。',
    },
  },
  channel_full: {
    text: {
      en: 'These channels have sold all that their caps allow. Their buyers hear channel_full.',
      zh: '这些渠道已售满上限。其买家收到 channel_full。',
    },
    do: {
      en: 'PATCH channels raises a cap. Units of their holds that end unpaid can be sold there again.',
      zh: '用 PATCH channels 提高上限。其未付款的占用到期后可在该渠道再次销售。',
    },
  },
  limit_reached: {
    text: {
      en: 'At least {count} buyers have all that a limit per buyer allows, and hear limit_reached.',
      zh: '至少有 {count} 位买家已达限购数量,收到 limit_reached。',
    },
    do: {
      en: 'Nothing, if that is meant. PATCH limitPerBuyer changes the limit of the sale; the limit of an item is fixed.',
      zh: '若符合预期则无需处理。用 PATCH limitPerBuyer 调整场次限购;单个商品的限购不可更改。',
    },
  },

  // The sale sells, and something behind it stands still.
  stock_older: {
    text: {
      en: 'Stock is of the release before, and cannot tell why a sale sells or not: only its state and counts are known. It sells as before.',
      zh: '库存服务是上一版本,无法说明销售状况的原因,只知道其状态与数量。销售照常。',
    },
    do: {
      en: 'Nothing, while an upgrade goes on. Else see which image the processes of stock with the role http run.',
      zh: '升级期间无需处理。否则请检查库存服务(角色 http)的进程所用的镜像。',
    },
  },
  order_older: {
    text: {
      en: 'Order is of the release before, and cannot tell why a sale sells or not. What is known to order is missing here; everything else goes on.',
      zh: '订单服务是上一版本,无法说明销售状况的原因。此处缺少订单服务掌握的信息,其余照常。',
    },
    do: {
      en: 'Nothing, while an upgrade goes on. Else see which image the processes of order with the role http run.',
      zh: '升级期间无需处理。否则请检查订单服务(角色 http)的进程所用的镜像。',
    },
  },
  order_away: {
    text: {
      en: 'The gateway gets no answer from order that it can use. Reservations go on; orders are read, paid and cancelled later. What is known to order is missing here.',
      zh: '网关收不到订单服务的可用应答。预订照常;订单的查询、支付与取消将延后。此处缺少订单服务掌握的信息。',
    },
    do: {
      en: 'See whether the processes of order with the role http run and are ready, and whether ORDER_URL of the gateway leads there.',
      zh: '检查订单服务(角色 http)的进程是否在运行并就绪,以及网关的 ORDER_URL 是否指向它。',
    },
  },
  postgres_away: {
    text: {
      en: 'Order cannot read from PostgreSQL in time. Reservations go on; orders are stored, paid and cancelled later.',
      zh: '订单服务无法及时读取 PostgreSQL。预订照常;订单的入库、支付与取消将延后。',
    },
    do: {
      en: 'See whether PostgreSQL runs, takes connections and has room on its disk. Everything that waits is stored once it answers.',
      zh: '检查 PostgreSQL 是否在运行、可连接、磁盘是否有空间。恢复后,等待中的数据会全部入库。',
    },
  },
  kafka_away: {
    text: {
      en: 'Stock gets no answer from Kafka. Reservations go on until {max} wait ({count} do), and orders are stored later.',
      zh: '库存服务收不到 Kafka 的应答。预订照常,直到等待数达到 {max}(当前 {count});订单将延后入库。',
    },
    do: {
      en: 'See whether the brokers run and KAFKA_BROKERS leads there. Nothing is lost.',
      zh: '检查 Kafka 节点是否在运行,以及 KAFKA_BROKERS 是否指向它们。不会丢失数据。',
    },
  },
  outbox_waits: {
    text: {
      en: '{count} reservations wait for Kafka, the oldest since the instant given. At {max} the sale stops.',
      zh: '有 {count} 笔预订在等待 Kafka,最早的一笔始于所示时间。达到 {max} 时停止销售。',
    },
    do: {
      en: 'See whether Kafka answers, and whether a process of stock with the role relay runs. Runbook SeckillOutboxOld.',
      zh: '检查 Kafka 是否有应答,以及库存服务(角色 relay)的进程是否在运行。运行手册:SeckillOutboxOld。',
    },
  },
  settlements_wait: {
    text: {
      en: '{count} ends of holds, of all sales, wait for Kafka, the oldest since the instant given. Units come back on sale late.',
      zh: '有 {count} 条占用结束消息(含所有场次)在等待 Kafka,最早的一条始于所示时间。商品恢复可售将延迟。',
    },
    do: {
      en: 'See whether Kafka answers, and whether a process of order with the role relay runs. Runbook SeckillOrderOutboxOld.',
      zh: '检查 Kafka 是否有应答,以及订单服务(角色 relay)的进程是否在运行。运行手册:SeckillOrderOutboxOld。',
    },
  },
  change_unconfirmed: {
    text: {
      en: 'An operator decided something that stock has not taken over yet. Until then the sale sells as before.',
      zh: '有一项变更尚未被库存服务采用。在此之前场次按原状态销售。',
    },
    do: {
      en: 'Order repeats it until stock confirms. See whether stock runs with the role http, and whether STOCK_URL of order leads there.',
      zh: '订单服务会重复发送,直到库存服务确认。检查库存服务(角色 http)是否在运行,以及订单服务的 STOCK_URL 是否指向它。',
    },
  },
} as const satisfies Record<string, Cause>;

export type CauseCode = keyof typeof CAUSES;
