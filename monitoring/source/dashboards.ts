import { RESERVE } from './slos.ts';
/** A query of a panel. `$saleLane` and the like are none: a dashboard shows the whole system. */
interface Query {
  expr: string;
  legend: string;
}

export interface Panel {
  title: string;
  description: string;
  unit: string;
  queries: Query[];
}

export interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
}

const rate = (series: string, by = ''): string =>
  `sum${by === '' ? '' : ` by (${by})`} (rate(${series}[$__rate_interval]))`;
const quantile = (
  q: number,
  histogram: string,
  { by = '', selector = '' }: { by?: string; selector?: string } = {},
): string => {
  const series = `${histogram}_bucket${selector === '' ? '' : `{${selector}}`}`;
  return `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${series}[$__rate_interval])))`;
};
const panel = (title: string, description: string, unit: string, ...queries: [string, string][]): Panel => ({
  title,
  description,
  unit,
  queries: queries.map(([expr, legend]) => ({ expr, legend })),
});
const percentiles = (histogram: string, selector = ''): [string, string][] => [
  [quantile(0.5, histogram, { selector }), 'p50'],
  [quantile(0.99, histogram, { selector }), 'p99'],
];

export const DASHBOARDS: Dashboard[] = [
  {
    uid: 'seckill-sale',
    title: 'Seckill: sale live',
    panels: [
      panel('Burn-down', 'Units that are left, of each lane that has sold, until it is retired.', 'short', [
        'max by (lane) (seckill_stock_units{state="available"})',
        '{{lane}}',
      ]),
      panel('Held and paid', 'Units that wait for money, and units that are paid.', 'short', [
        'sum by (state) (max by (lane, state) (seckill_stock_units{state=~"held|paid"}))',
        '{{state}}',
      ]),
      panel(
        'Answers to buyers',
        'Answers to reservations by outcome; `reserved` are the accepted ones.',
        'reqps',
        [rate('seckill_gateway_reservations_total', 'outcome'), '{{outcome}}'],
      ),
      panel('From memory', 'Rejections that gateways answer by themselves.', 'reqps', [
        rate('seckill_gateway_memory_answers_total', 'outcome'),
        '{{outcome}}',
      ]),
      panel(
        'How long a buyer waits',
        'Answer times of the reservation.',
        's',
        ...percentiles('seckill_gateway_request_seconds', RESERVE),
      ),
      panel(
        'From the promise to the row',
        'Seconds until an accepted order stands in PostgreSQL.',
        's',
        ...percentiles('seckill_order_intake_stored_seconds'),
      ),
      panel('Ends of orders', 'Orders that were paid, cancelled, expired or refused, a second.', 'ops', [
        rate('seckill_order_orders_ended_total', 'verdict'),
        '{{verdict}}',
      ]),
      panel('Invariants', 'Sales in which an invariant is broken. Anything but 0 wants a person.', 'short', [
        'max by (invariant) (seckill_stock_audit_broken_sales)',
        '{{invariant}}',
      ]),
    ],
  },
  {
    uid: 'seckill-services',
    title: 'Seckill: services',
    panels: [
      panel('Requests of the gateway', 'Answers by status.', 'reqps', [
        rate('seckill_gateway_request_seconds_count', 'status'),
        '{{status}}',
      ]),
      panel('Slow routes of the gateway', 'The 99th percentile by route.', 's', [
        quantile(0.99, 'seckill_gateway_request_seconds', { by: 'route' }),
        '{{route}}',
      ]),
      panel('Requests of stock', 'Calls by route and status.', 'reqps', [
        rate('seckill_stock_request_seconds_count', 'route, status'),
        '{{route}} {{status}}',
      ]),
      panel('Requests of order', 'Calls by route and status.', 'reqps', [
        rate('seckill_order_request_seconds_count', 'route, status'),
        '{{route}} {{status}}',
      ]),
      panel(
        'In flight',
        'Requests that are being answered, and listeners to events.',
        'short',
        ['sum(seckill_gateway_requests_in_flight)', 'requests'],
        ['sum(seckill_gateway_listeners)', 'listeners'],
      ),
      panel(
        'Connections to PostgreSQL',
        'By role of order; waiting is a pool that is too small or a slow engine.',
        'short',
        ['sum by (pool, state) (seckill_order_postgres_connections)', '{{pool}} {{state}}'],
      ),
      panel('Waiting for Redis', 'Commands that were sent and not answered.', 'short', [
        'sum(seckill_stock_redis_waiting_commands)',
        'commands',
      ]),
      panel(
        'Bad answers',
        'The share of bad events of each promise (SLO) in the last five minutes.',
        'percentunit',
        ['slo:sli_error:ratio_rate5m', '{{slo}}'],
      ),
    ],
  },
  {
    uid: 'seckill-pipeline',
    title: 'Seckill: pipeline',
    panels: [
      panel(
        'Reservations on their way',
        'Accepted by Redis, confirmed by Kafka, stored by PostgreSQL.',
        'ops',
        [rate('seckill_stock_reserve_answers_total{outcome="reserved"}'), 'accepted'],
        [rate('seckill_stock_relay_messages_total'), 'in Kafka'],
        [rate('seckill_order_intake_messages_total{outcome="stored"}'), 'stored'],
      ),
      panel('Outbox of stock', 'Entries that wait for Kafka.', 'short', [
        'max by (lane) (seckill_stock_outbox_entries)',
        '{{lane}}',
      ]),
      panel(
        'Age of the outboxes',
        'The oldest entry that waits for Kafka.',
        's',
        ['max(seckill_stock_outbox_oldest_age_seconds)', 'stock'],
        ['max(seckill_order_outbox_oldest_seconds)', 'order'],
      ),
      panel('Lag of the intake', 'Reservations that Kafka has and PostgreSQL does not.', 'short', [
        'sum(seckill_order_intake_lag_messages)',
        'messages',
      ]),
      panel(
        'Batches of Redis',
        'Time of a batch of reservations in Redis.',
        's',
        ...percentiles('seckill_stock_reserve_batch_seconds'),
      ),
      panel(
        'Chunks of PostgreSQL',
        'Time to store a chunk of orders.',
        's',
        ...percentiles('seckill_order_intake_batch_seconds'),
      ),
      panel('Settlements', 'Ends of holds that came to Redis.', 'ops', [
        rate('seckill_stock_settler_settlements_total', 'verdict, result'),
        '{{verdict}} {{result}}',
      ]),
      panel('Gates', 'Lanes that order wants open and that are not.', 'short', [
        'max(seckill_stock_gate_closed_lanes)',
        'closed',
      ]),
      panel(
        'What waits for a person',
        'Refunds that are due, notices kept, events that an endpoint has not heard.',
        'short',
        ['max(seckill_order_payments_due_refunds)', 'refunds due'],
        ['max(seckill_order_payments_kept_notices)', 'notices kept'],
        ['max(seckill_order_webhooks_pending)', 'events not told'],
      ),
    ],
  },
  {
    uid: 'seckill-node',
    title: 'Seckill: Node.js',
    panels: [
      panel('CPU', 'Processor time of each process; 1 is a whole core.', 'short', [
        'sum by (instance) (rate(process_cpu_seconds_total[$__rate_interval]))',
        '{{instance}}',
      ]),
      panel('Event loop', 'The 99th percentile of its delay.', 's', [
        'max by (instance) (nodejs_eventloop_lag_p99_seconds)',
        '{{instance}}',
      ]),
      panel('Memory', 'Resident memory of each process.', 'bytes', [
        'sum by (instance) (process_resident_memory_bytes)',
        '{{instance}}',
      ]),
      panel('Heap', 'Heap that is used.', 'bytes', [
        'sum by (instance) (nodejs_heap_size_used_bytes)',
        '{{instance}}',
      ]),
      panel('Garbage collection', 'Seconds a second in collections.', 'percentunit', [
        'sum by (instance, kind) (rate(nodejs_gc_duration_seconds_sum[$__rate_interval]))',
        '{{instance}} {{kind}}',
      ]),
      panel('Processes', 'Processes that answer their scrapes.', 'short', ['sum(up{job="seckill"})', 'up']),
    ],
  },
];

const COLUMNS = 2;
const HEIGHT = 8;

/** Grafana's JSON; ids are places, so that a change of one panel changes its lines alone. */
export function grafanaJson({ uid, title, panels }: Dashboard): string {
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  const json = {
    uid,
    title,
    tags: ['seckill'],
    timezone: 'browser',
    schemaVersion: 39,
    version: 1,
    refresh: '5s',
    time: { from: 'now-15m', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
      ],
    },
    panels: panels.map((one, index) => ({
      id: index + 1,
      type: 'timeseries',
      title: one.title,
      description: one.description,
      datasource,
      gridPos: {
        x: (index % COLUMNS) * (24 / COLUMNS),
        y: Math.floor(index / COLUMNS) * HEIGHT,
        w: 24 / COLUMNS,
        h: HEIGHT,
      },
      fieldConfig: { defaults: { unit: one.unit, min: 0 }, overrides: [] },
      options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
      targets: one.queries.map(({ expr, legend }, place) => ({
        refId: String.fromCharCode(65 + place),
        datasource,
        expr,
        legendFormat: legend,
      })),
    })),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
