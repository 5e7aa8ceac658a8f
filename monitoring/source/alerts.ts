import type { Alert } from './alert.ts';
import { sloAlerts } from './slos.ts';

/** Counters of a quiet process, and what makes an alert of them: `+0x40` is 10 minutes of scrapes. */
const QUIET = '0+0x40';
const ONE_MORE = '0+0x10 1+0x30';
/** A counter with labels is not there before it counts: it appears as 1. */
const THE_FIRST = '_x10 1+0x30';

const seriesOf = (metric: string, labels: Record<string, string>): string => {
  const selector = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return selector.length === 0 ? metric : `${metric}{${selector.join(', ')}}`;
};

/** A counter that has risen, or appeared, within 5 minutes. `increase` alone does not see the first event. */
const rises = (series: string): string =>
  `increase(${series}[5m]) > 0 or (${series} > 0 unless ${series} offset 5m)`;

/**
 * An alert on a counter each of whose increases wants a person.
 * @param labels `select`: of the series that are meant, absent: all; `sample`: of the series that it is tried
 * with
 */
function onIncrease(
  { name, severity, summary }: Pick<Alert, 'name' | 'severity' | 'summary'>,
  metric: string,
  { select = {}, sample = select }: { select?: Record<string, string>; sample?: Record<string, string> } = {},
): Alert {
  const series = seriesOf(metric, sample);
  const isLabelled = Object.keys(sample).length > 0;
  return {
    name,
    expr: rises(seriesOf(metric, select)),
    for: '0s',
    severity,
    summary,
    fires: { series: { [series]: isLabelled ? THE_FIRST : ONE_MORE }, labels: sample, after: '5m' },
    silent: { [series]: isLabelled ? '5+0x40' : QUIET },
  };
}

/** An alert on a gauge that stands above a bound for a while. */
function onLevel(
  one: Pick<Alert, 'name' | 'severity' | 'summary' | 'for'>,
  metric: string,
  bound: number,
): Alert {
  return {
    ...one,
    expr: `max(${metric}) > ${bound}`,
    fires: { series: { [metric]: `${bound + 1}+0x40` }, after: '9m' },
    silent: { [metric]: `${bound}+0x40` },
  };
}

const audit: Alert[] = [
  {
    name: 'SeckillInvariantBroken',
    expr: 'max by (invariant) (seckill_stock_audit_broken_sales) > 0',
    // At once: units that do not exist may be on sale.
    for: '0s',
    severity: 'page',
    summary: 'An invariant of a sale is broken',
    fires: {
      series: { 'seckill_stock_audit_broken_sales{invariant="INV-1"}': '0+0x10 1+0x30' },
      labels: { invariant: 'INV-1' },
    },
    silent: { 'seckill_stock_audit_broken_sales{invariant="INV-1"}': QUIET },
  },
  {
    name: 'SeckillAuditOld',
    expr: 'max(seckill_stock_audit_age_seconds) > 600 or absent(seckill_stock_audit_age_seconds)',
    for: '0s',
    severity: 'page',
    summary: 'No complete audit for 10 minutes',
    fires: { series: { seckill_stock_audit_age_seconds: '601+0x40' } },
    silent: { seckill_stock_audit_age_seconds: '600+0x40' },
  },
  onLevel(
    {
      name: 'SeckillAuditInFlight',
      for: '0s',
      severity: 'ticket',
      summary: 'A sale has not come to rest for an hour',
    },
    'seckill_stock_audit_in_flight_seconds',
    3_600,
  ),
  {
    name: 'SeckillAuditFails',
    expr: 'increase(seckill_stock_audit_failures_total[10m]) > 10',
    for: '0s',
    severity: 'ticket',
    summary: 'Rounds of the audit end early again and again',
    fires: { series: { seckill_stock_audit_failures_total: '0+1x40' }, after: '9m' },
    silent: { seckill_stock_audit_failures_total: '0+0x20 1+0x20' },
  },
];

const gates: Alert[] = [
  onLevel(
    {
      name: 'SeckillLanesClosed',
      for: '30s',
      severity: 'page',
      summary: 'Lanes that order wants open do not open',
    },
    'seckill_stock_gate_closed_lanes',
    0,
  ),
  onIncrease(
    {
      name: 'SeckillRedisOther',
      severity: 'ticket',
      summary: 'Redis restarted, was promoted or may have evicted keys',
    },
    'seckill_stock_redis_identified_total',
    // A connection that ended and found the same Redis again is no loss, and counts as found="same".
    { select: { found: 'other' } },
  ),
  onIncrease(
    {
      name: 'SeckillEpochDistrusted',
      severity: 'page',
      summary: 'A sale is loaded anew: an engine lost something',
    },
    'seckill_order_distrusted_epochs_total',
    { sample: { reason: 'restored' } },
  ),
  onIncrease(
    { name: 'SeckillPublishedAgain', severity: 'ticket', summary: 'Kafka lost what it had confirmed' },
    'seckill_stock_gate_published_again_total',
  ),
  onIncrease(
    {
      name: 'SeckillClockSkew',
      severity: 'page',
      summary: 'The clocks of Redis and PostgreSQL differ by 0.5 s',
    },
    'seckill_order_clock_skew_alarms_total',
  ),
  {
    name: 'SeckillClockUnknown',
    expr: 'count(seckill_order_clock_skew_seconds == seckill_order_clock_skew_seconds) == 0 or absent(seckill_order_clock_skew_seconds)',
    for: '1m',
    severity: 'ticket',
    summary: 'Nobody measures the skew of the clocks',
    fires: { series: { unrelated: QUIET }, after: '5m' },
    silent: { seckill_order_clock_skew_seconds: '0.1+0x40' },
  },
];

const pipeline: Alert[] = [
  {
    name: 'SeckillOutboxFull',
    expr: 'max by (lane) (seckill_stock_outbox_entries) > 50000',
    for: '10s',
    severity: 'page',
    summary: 'Half of RELAY_OUTBOX_COUNT_MAX waits for Kafka; at all of it the sale refuses',
    fires: {
      series: { 'seckill_stock_outbox_entries{lane="oranges:0"}': '50001+0x40' },
      labels: { lane: 'oranges:0' },
    },
    silent: { 'seckill_stock_outbox_entries{lane="oranges:0"}': '50000+0x40' },
  },
  onLevel(
    { name: 'SeckillOutboxOld', for: '10s', severity: 'page', summary: 'The relay of stock stands still' },
    'seckill_stock_outbox_oldest_age_seconds',
    10,
  ),
  onLevel(
    {
      name: 'SeckillOrderOutboxOld',
      for: '10s',
      severity: 'page',
      summary: 'The relay of order stands still',
    },
    'seckill_order_outbox_oldest_seconds',
    10,
  ),
  onLevel(
    { name: 'SeckillIntakeBehind', for: '30s', severity: 'page', summary: 'Reservations wait in Kafka' },
    'seckill_order_intake_lag_messages',
    20_000,
  ),
  onIncrease(
    {
      name: 'SeckillIntakeAlarm',
      severity: 'page',
      summary: 'An order was refused, or Kafka lost messages',
    },
    'seckill_order_intake_alarms_total',
    { sample: { reason: 'ledger' } },
  ),
  onIncrease(
    {
      name: 'SeckillDeadLetters',
      severity: 'page',
      summary: 'A reservation was not understood and is a dead letter',
    },
    'seckill_order_intake_messages_total',
    { select: { outcome: 'dead_letter' } },
  ),
  onIncrease(
    {
      name: 'SeckillSettlementsDead',
      severity: 'page',
      summary: 'A settlement was not understood and is a dead letter',
    },
    'seckill_stock_settler_settlements_total',
    { select: { result: 'dead_letter' } },
  ),
  onIncrease(
    { name: 'SeckillSettlerAlarm', severity: 'page', summary: 'A lane contradicts a settlement' },
    'seckill_stock_settler_alarms_total',
    { sample: { reason: 'lane_broken' } },
  ),
  onIncrease(
    { name: 'SeckillOrphans', severity: 'page', summary: 'Holds without settlement were published again' },
    'seckill_stock_relay_orphans_total',
  ),
  {
    name: 'SeckillReturnsLate',
    expr: 'histogram_quantile(0.9, sum by (le) (rate(seckill_stock_settler_return_seconds_bucket[1m]))) > 2',
    for: '30s',
    severity: 'page',
    summary: 'Units of expired holds come back later than the 2 s of INV-5',
    fires: {
      series: {
        'seckill_stock_settler_return_seconds_bucket{le="2"}': QUIET,
        'seckill_stock_settler_return_seconds_bucket{le="5"}': '0+10x40',
        'seckill_stock_settler_return_seconds_bucket{le="+Inf"}': '0+10x40',
      },
      after: '9m',
    },
    silent: {
      'seckill_stock_settler_return_seconds_bucket{le="2"}': '0+10x40',
      'seckill_stock_settler_return_seconds_bucket{le="5"}': '0+10x40',
      'seckill_stock_settler_return_seconds_bucket{le="+Inf"}': '0+10x40',
    },
  },
];

/** Late money may take 5 minutes to be decided, and a group waits for it. */
const GROUP_OVERDUE_SECONDS = 600;

const money: Alert[] = [
  onLevel(
    {
      name: 'SeckillGroupsWait',
      for: '1m',
      severity: 'page',
      summary: 'A group purchase is not decided 10 minutes after its last hold',
    },
    'seckill_order_groups_overdue_seconds',
    GROUP_OVERDUE_SECONDS,
  ),
  onLevel(
    {
      name: 'SeckillGroupsDamaged',
      for: '1m',
      severity: 'page',
      summary: 'What is stored of a sale contradicts itself, and its group purchases wait',
    },
    'seckill_order_groups_damaged',
    0,
  ),
  onIncrease(
    { name: 'SeckillRefundsDue', severity: 'ticket', summary: 'Money that buys nothing waits for a person' },
    'seckill_order_refunds_due_total',
    { sample: { reason: 'second_payment' } },
  ),
  onLevel(
    {
      name: 'SeckillNoticesKept',
      for: '0s',
      severity: 'page',
      summary: 'Money came in a notice that is not understood',
    },
    'seckill_order_payments_kept_notices',
    0,
  ),
  onIncrease(
    {
      name: 'SeckillNoticesTooLarge',
      severity: 'ticket',
      summary: 'A payment notice over 256 KiB was refused',
    },
    'seckill_gateway_payment_notifications_total',
    { select: { result: 'too_large' } },
  ),
  onLevel(
    {
      name: 'SeckillNoticesWait',
      for: '1m',
      severity: 'ticket',
      summary: 'Money waits for an order that does not come',
    },
    'seckill_order_payments_waiting_notices',
    0,
  ),
  onLevel(
    {
      name: 'SeckillWebhooksOld',
      for: '1m',
      severity: 'ticket',
      summary: 'An endpoint has not been told for an hour',
    },
    'seckill_order_webhooks_oldest_seconds',
    3_600,
  ),
];

const processes: Alert[] = [
  {
    name: 'SeckillTargetDown',
    expr: 'up{job="seckill"} == 0',
    for: '15s',
    severity: 'page',
    summary: 'A process of the three services does not answer its scrapes',
    fires: {
      series: { 'up{job="seckill", instance="a:9460"}': '1+0x10 0+0x30' },
      labels: { job: 'seckill', instance: 'a:9460' },
    },
    silent: { 'up{job="seckill", instance="a:9460"}': '1+0x40' },
  },
  {
    // A target that is gone from the list is not down: it is not there, and tells nothing.
    name: 'SeckillTargetsMissing',
    expr: 'absent(up{job="seckill"})',
    for: '1m',
    severity: 'page',
    summary: 'Prometheus knows no process of the three services, so no other alert can fire',
    fires: { series: { 'up{job="other"}': '1+0x40' }, labels: { job: 'seckill' } },
    silent: { 'up{job="seckill", instance="a:9460"}': '0+0x40' },
  },
  {
    name: 'SeckillShedding',
    expr: 'sum by (reason) (rate(seckill_gateway_shed_requests_total[1m])) > 1',
    for: '15s',
    severity: 'page',
    summary: 'Gateways refuse requests as overloaded',
    fires: {
      series: { 'seckill_gateway_shed_requests_total{reason="event_loop"}': '0+100x40' },
      labels: { reason: 'event_loop' },
      after: '5m',
    },
    silent: { 'seckill_gateway_shed_requests_total{reason="event_loop"}': '0+1x40' },
  },
];

/** Every alert; a new one needs its runbook, and says itself how it is tried. */
export const ALERTS: Alert[] = [...audit, ...gates, ...pipeline, ...money, ...processes, ...sloAlerts()];
