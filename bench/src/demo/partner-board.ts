import type { Money, PickupPage, SaleReport } from '@seckill/contracts';
import type { Pool } from 'undici';

/** Orders of a list for pick-up that are shown; a list may have hundreds. */
const PICKUPS_SHOWN = 5;

/** What a partner and a pick-up point ask for the day after, as the public API tells it. */
export interface PartnerBoard {
  reports: SaleReport[];
  /** The list of the channel that handed the most units out, if any channel has a pick-up point. */
  pickups: { saleId: string; channelId: string; pickupPointId: string; list: PickupPage } | undefined;
}

/** @throws Error when the API does not answer with 200. */
export async function readBoard(http: Pool, token: string, saleIds: string[]): Promise<PartnerBoard> {
  const get = async (path: string): Promise<unknown> => {
    const response = await http.request({
      method: 'GET',
      path,
      headers: { authorization: `Bearer ${token}` },
    });
    const body = await response.body.text();
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode} ${body}`);
    return JSON.parse(body);
  };
  const reports: SaleReport[] = [];
  for (const saleId of saleIds) reports.push((await get(`/v1/sales/${saleId}/report`)) as SaleReport);
  const [place] = reports
    .flatMap(({ saleId, channels }) =>
      channels.flatMap(({ id, pickupPointId, units }) =>
        pickupPointId === undefined ? [] : [{ saleId, channelId: id, pickupPointId, units: units.paid }],
      ),
    )
    .sort((left, right) => right.units - left.units);
  if (place === undefined) return { reports, pickups: undefined };
  const { saleId, channelId, pickupPointId } = place;
  const path = `/v1/sales/${saleId}/pickups?channelId=${channelId}&limit=${PICKUPS_SHOWN}`;
  return { reports, pickups: { saleId, channelId, pickupPointId, list: (await get(path)) as PickupPage } };
}

const HEAD = ['sale', 'channel', 'partner', 'paid', 'returned', 'money', 'commission base', 'best ref'];

/** Units and money of each channel, and what one pick-up point hands out. */
export function formatBoard({ reports, pickups }: PartnerBoard): string[] {
  const rows = reports.flatMap(({ saleId, channels, direct }) =>
    [...channels, { id: '(none)', partnerId: undefined, ...direct }].map(
      ({ id, partnerId = '-', units, returned, amountPaid, commissionBase, refs }) => [
        saleId,
        id,
        partnerId,
        String(units.paid),
        String(returned),
        toText(amountPaid),
        toText(commissionBase),
        refs[0] === undefined ? '-' : `${refs[0].ref} (${refs[0].paidUnits})`,
      ],
    ),
  );
  const widths = HEAD.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) =>
        column < 3 || column === HEAD.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [
    'Partner board, from GET /v1/sales/:saleId/report:',
    '',
    line(HEAD),
    ...rows.map(line),
    ...formatPickups(pickups),
  ];
}

function formatPickups(pickups: PartnerBoard['pickups']): string[] {
  if (pickups === undefined) return [];
  const { saleId, channelId, pickupPointId, list } = pickups;
  const linesOf = (lines: { sku: string; quantity: number }[]) =>
    lines.map(({ sku, quantity }) => `${quantity} × ${sku}`).join(', ');
  const load = (list.load ?? []).map(({ sku, units }) => ({ sku, quantity: units }));
  return [
    '',
    `Pick-ups of ${saleId} at ${pickupPointId} (${channelId}); to bring there: ${linesOf(load) || 'nothing'}`,
    ...list.data.map(({ code, lines, userId }) => `  ${code}  ${linesOf(lines)}  ${userId}`),
    ...(list.nextCursor === undefined ? [] : ['  …']),
  ];
}

/** In units of the currency; those of the demo have two decimals. */
function toText({ amount, currency }: Money): string {
  return `${(amount / 100).toFixed(2)} ${currency}`;
}
