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

const [REQUESTS, STORED] = ['seckill_gateway_request_seconds', 'seckill_order_intake_stored_seconds'];

interface Tried {
  slo: string;
  /** Two series, and by how much each grows every 15 s where the promise is broken, and where it is kept. */
  series: [string, string];
  broken: [number, number];
  kept: [number, number];
}

/** What the alerts are tried with. Where a promise is kept, some events are bad all the same. */
const ANSWERED: Tried = {
  slo: 'reservations-answered',
  series: [`${REQUESTS}_count{${RESERVE}, status="201"}`, `${REQUESTS}_count{${RESERVE}, status="503"}`],
  broken: [300, 30],
  kept: [30_000, 1],
};
const OTHERS: Tried[] = [
  {
    slo: 'reservations-fast',
    series: [
      `${REQUESTS}_count{${RESERVE}, status="201"}`,
      `${REQUESTS}_bucket{${RESERVE}, status="201", le="0.5"}`,
    ],
    broken: [300, 200],
    kept: [30_000, 29_850],
  },
  {
    slo: 'orders-stored',
    series: [`${STORED}_count`, `${STORED}_bucket{le="5"}`],
    broken: [300, 270],
    kept: [30_000, 29_990],
  },
];

function casesOf({ slo, series: [one, other], broken, kept }: Tried, after: string) {
  const grow = ([a, b]: [number, number]) => ({ [one]: `0+${a}x400`, [other]: `0+${b}x400` });
  return { fires: { series: grow(broken), labels: { slo }, after }, silent: grow(kept) };
}

/** One alert a speed; the label `slo` says which promise. */
export function sloAlerts(): Alert[] {
  const under = (after: string) => ({
    ...casesOf(ANSWERED, after),
    others: OTHERS.map((one) => casesOf(one, after)),
  });
  return [
    {
      name: 'SeckillSaleBurn',
      expr: overSlos((slo) => `(${burns(slo, 14.4, ['5m', '1m'])} and ${EVENTS}{slo="${slo.name}"} > 1)`),
      for: '10s',
      severity: 'page',
      summary: 'A sale that runs breaks its promise to buyers now',
      ...under('10m'),
    },
    {
      name: 'SeckillBudgetBurn',
      expr: overSlos((slo) => `${burns(slo, 14.4, ['1h', '5m'])} or ${burns(slo, 6, ['6h', '30m'])}`),
      for: '2m',
      severity: 'page',
      summary: 'The budget of 30 days is gone in two days, or in five',
      ...under('15m'),
    },
    {
      name: 'SeckillBudgetBurnSlow',
      expr: overSlos((slo) => `${burns(slo, 3, ['1d', '2h'])} or ${burns(slo, 1, ['3d', '6h'])}`),
      for: '1h',
      severity: 'ticket',
      summary: 'The budget of 30 days will not last',
      // The promises differ in nothing here, and hours take the tests long: one is enough.
      ...casesOf(ANSWERED, '80m'),
    },
  ];
}
