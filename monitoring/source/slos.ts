import type { Alert } from './alert.ts';
import { burns, recordingOf, SLOS, slothLabels, type Slo } from './sloth-form.ts';

export interface Recording {
  record: string;
  expr: string;
  labels: Record<string, string>;
}

/** The series of reservations, of the metrics of requests. */
export const RESERVE = 'method="POST", route="/v1/sales/:saleId/reservations"';

/** 30 days in the windows of Google's workbook, and before them those of a sale, which is over in minutes. */
const WINDOWS = ['1m', '5m', '30m', '1h', '2h', '6h', '1d', '3d'];

const EVENTS = 'seckill:slo_events:rate5m';

/** Recording rules: the share of bad events in each window, and how many events there are. */
export function sloRecordings(): Recording[] {
  return SLOS.flatMap((slo) => [
    ...WINDOWS.map((window) => recordingOf(slo, window)),
    {
      record: EVENTS,
      expr: slo.sli.events.total_query.replaceAll('{{.window}}', '5m'),
      labels: { slo: slo.name },
    },
  ]);
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
  return {
    fires: { series: grow(broken), labels: { slo, ...slothLabels({ name: slo }) }, after },
    silent: grow(kept),
  };
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
      expr: overSlos(
        (slo) => `(${burns(slo, 14.4, ['1m', '5m'])} and on (slo) ${EVENTS}{slo="${slo.name}"} > 1)`,
      ),
      for: '10s',
      severity: 'page',
      summary: 'A sale that runs breaks its promise to buyers now',
      ...under('10m'),
    },
    {
      name: 'SeckillBudgetBurn',
      expr: overSlos((slo) => `${burns(slo, 14.4, ['5m', '1h'])} or ${burns(slo, 6, ['30m', '6h'])}`),
      for: '2m',
      severity: 'page',
      summary: 'The budget of 30 days is gone in two days, or in five',
      ...under('15m'),
    },
    {
      name: 'SeckillBudgetBurnSlow',
      expr: overSlos((slo) => `${burns(slo, 3, ['2h', '1d'])} or ${burns(slo, 1, ['6h', '3d'])}`),
      for: '1h',
      severity: 'ticket',
      summary: 'The budget of 30 days will not last',
      // The promises differ in nothing here, and hours take the tests long: one is enough.
      ...casesOf(ANSWERED, '80m'),
    },
  ];
}
