import type { ReportSold, ReportTable, SaleReport } from '@seckill/contracts';
import type { Language } from '@seckill/runtime';
import { BYTE_ORDER_MARK, csvLine, type Cell } from '../csv.ts';

type Title = SaleReport['items'][number]['title'];

const STATUSES = ['pending', 'paid', 'cancelled', 'expired', 'refused'] as const;
const named = (prefix: string, status: string) => `${prefix}${status[0]?.toUpperCase()}${status.slice(1)}`;

/** Amounts are in minor units, as everywhere in the API. */
const SOLD_NAMES = [
  ...STATUSES.map((status) => named('units', status)),
  'unitsReturned',
  'unitsRestocked',
  ...STATUSES.map((status) => named('amount', status)),
  'amountReturned',
  'commissionBase',
  'currency',
];

/** One table of a report as a CSV file; its rows add up to the sale. */
export function reportFile(report: SaleReport, table: ReportTable, language: Language): string {
  const { names, rows } = TABLES[table](report, language);
  return BYTE_ORDER_MARK + [names, ...rows].map((cells) => csvLine(cells)).join('');
}

interface Table {
  names: string[];
  rows: Cell[][];
}

const TABLES: Record<ReportTable, (report: SaleReport, language: Language) => Table> = {
  channels: ({ channels, direct }, language) => ({
    names: ['channelId', 'kind', 'title', 'partnerId', 'pickupPointId', 'cap', ...SOLD_NAMES],
    rows: [
      ...channels.map(({ id, kind, title, partnerId, pickupPointId, cap, ...sold }) => [
        id,
        kind,
        textOf(title, language),
        partnerId,
        pickupPointId,
        cap,
        ...soldCells(sold),
      ]),
      // What came through no channel.
      [...Array<undefined>(6).fill(undefined), ...soldCells(direct)],
    ],
  }),
  items: ({ items }, language) => ({
    names: ['sku', 'title', 'total', 'available', ...SOLD_NAMES],
    rows: items.map(({ sku, title, total, available, ...sold }) => [
      sku,
      textOf(title, language),
      total,
      available,
      ...soldCells(sold),
    ]),
  }),
  partners: ({ partners }) => ({
    names: ['partnerId', 'channelIds', ...SOLD_NAMES],
    rows: partners.map(({ partnerId, channelIds, ...sold }) => [
      partnerId,
      channelIds.join(' '),
      ...soldCells(sold),
    ]),
  }),
  refs: ({ channels, direct }) => ({
    names: ['channelId', 'ref', 'unitsPaid', 'amountPaid', 'amountReturned', 'commissionBase', 'currency'],
    rows: [...channels, { id: undefined, ...direct }].flatMap(({ id, refs }) =>
      refs.map(({ ref, paidUnits, amountPaid, amountReturned, commissionBase }) => [
        id,
        ref,
        paidUnits,
        amountPaid.amount,
        amountReturned.amount,
        commissionBase.amount,
        amountPaid.currency,
      ]),
    ),
  }),
  minutes: ({ perMinute }) => ({
    names: ['minute', 'unitsReserved', 'unitsPaid', 'unitsEnded', 'unitsReturned'],
    rows: perMinute.map(({ minute, reserved, paid, ended, returned }) => [
      minute,
      reserved,
      paid,
      ended,
      returned,
    ]),
  }),
  refunds: ({ refunds }) => ({
    names: ['state', 'reason', 'count', 'amount', 'currency'],
    rows: refunds.map(({ state, reason, count, amount }) => [
      state,
      reason,
      count,
      amount.amount,
      amount.currency,
    ]),
  }),
};

function soldCells({ units, amounts, returned, restocked, ...sold }: ReportSold): Cell[] {
  return [
    ...STATUSES.map((status) => units[status]),
    returned,
    restocked,
    ...STATUSES.map((status) => amounts[status].amount),
    sold.amountReturned.amount,
    sold.commissionBase.amount,
    sold.amountPaid.currency,
  ];
}

function textOf(title: Title, language: Language): string {
  return typeof title === 'string' ? title : title[language];
}
