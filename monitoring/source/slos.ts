import type { Alert } from './alert.ts';

/** What a sale promises its buyers: the share of good events, of those that `total` counts. */
export interface Slo {
  name: string;
  objective: number;
  /** PromQL for events a second over a window, such as `5m`. */
  bad: (window: string) => string;
  total: (window: string) => string;
}

export interface Recording {
  record: string;
  expr: string;
  labels: Record<string, string>;
}

/** The series of reservations, of the metrics of requests. */
export const RESERVE = 'method="POST", route="/v1/sales/:saleId/reservations"';
const sum = (series: string, window: string): string => `sum(rate(${series}[${window}]))`;

/** Sold out, too many requests and every other "no" are good answers: only 5xx is bad. */
export const SLOS: Slo[] = [
  {
    name: 'reservations-answered',
    objective: 0.999,
    bad: (window) => sum(`seckill_gateway_request_seconds_count{${RESERVE}, status=~"5.."}`, window),
    total: (window) => sum(`seckill_gateway_request_seconds_count{${RESERVE}}`, window),
  },
  {
    name: 'reservations-fast',
    objective: 0.99,
    bad: (window) =>
      `${sum(`seckill_gateway_request_seconds_count{${RESERVE}}`, window)} - ${sum(`seckill_gateway_request_seconds_bucket{${RESERVE}, le="0.5"}`, window)}`,
    total: (window) => sum(`seckill_gateway_request_seconds_count{${RESERVE}}`, window),
  },
  {
    name: 'orders-stored',
    objective: 0.999,
    bad: (window) =>
      `${sum('seckill_order_intake_stored_seconds_count', window)} - ${sum('seckill_order_intake_stored_seconds_bucket{le="5"}', window)}`,
    total: (window) => sum('seckill_order_intake_stored_seconds_count', window),
  },
];

/** 30 days in the windows of Google's workbook, and before them those of a sale, which is over in minutes. */
const WINDOWS = ['1m', '5m', '30m', '1h', '2h', '6h', '1d', '3d'];

export const ratioOf = (window: string): string => `seckill:slo_bad:ratio_rate${window}`;
const EVENTS = 'seckill:slo_events:rate5m';

/** Recording rules: the share of bad events in each window, and how many events there are. */
export function sloRecordings(): Recording[] {
  return SLOS.flatMap(({ name, bad, total }) => [
    ...WINDOWS.map((window) => ({
      record: ratioOf(window),
      // Parts that have no series yet count as none, so that the first bad event is seen.
      expr: `((${bad(window)}) or vector(0)) / (${total(window)})`,
      labels: { slo: name },
    })),
    { record: EVENTS, expr: total('5m'), labels: { slo: name } },
  ]);
}

/** Both windows burn so many times faster than the budget of 30 days allows, for one SLO. */
function burns({ name, objective }: Slo, factor: number, [long, short]: [string, string]): string {
  const bound = Number((factor * (1 - objective)).toPrecision(4));
  const ratio = (window: string): string => `${ratioOf(window)}{slo="${name}"} > ${bound}`;
  return `(${ratio(long)} and ${ratio(short)})`;
}

function overSlos(expr: (slo: Slo) => string): string {
  return SLOS.map(expr).join(' or ');
}

/** One alert a speed; the label `slo` says which promise. */
export function sloAlerts(): Alert[] {
  const labels = { slo: 'reservations-answered' };
  const requests = `seckill_gateway_request_seconds_count{${RESERVE}, status="201"}`;
  const failures = `seckill_gateway_request_seconds_count{${RESERVE}, status="503"}`;
  const fires = (after: string) => ({
    series: { [requests]: '0+300x400', [failures]: '0+30x400' },
    labels,
    after,
  });
  const silent = { [requests]: '0+30000x400', [failures]: '0+1x400' };
  return [
    {
      name: 'SeckillSaleBurn',
      expr: overSlos((slo) => `(${burns(slo, 14.4, ['5m', '1m'])} and ${EVENTS}{slo="${slo.name}"} > 1)`),
      for: '10s',
      severity: 'page',
      summary: 'A sale that runs breaks its promise to buyers now',
      fires: fires('10m'),
      silent,
    },
    {
      name: 'SeckillBudgetBurn',
      expr: overSlos((slo) => `${burns(slo, 14.4, ['1h', '5m'])} or ${burns(slo, 6, ['6h', '30m'])}`),
      for: '2m',
      severity: 'page',
      summary: 'The budget of 30 days is gone in two days, or in five',
      fires: fires('15m'),
      silent,
    },
    {
      name: 'SeckillBudgetBurnSlow',
      expr: overSlos((slo) => `${burns(slo, 3, ['1d', '2h'])} or ${burns(slo, 1, ['3d', '6h'])}`),
      for: '1h',
      severity: 'ticket',
      summary: 'The budget of 30 days will not last',
      fires: fires('80m'),
      silent,
    },
  ];
}
