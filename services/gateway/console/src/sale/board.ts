import { call } from '../page/api.ts';
import type { Money, Sale } from '../page/answers.ts';
import { textOfCode } from '../page/codes.ts';
import { alertBox, attempt, button, card, cards, element, table } from '../page/dom.ts';
import { moneyOf, say, textOf } from '../page/words.ts';

interface Sold {
  units: Record<'pending' | 'paid', number>;
  amountPaid: Money;
  returned: number;
  restocked: number;
  commissionBase: Money;
}

interface Report {
  totals: Sold & { refundDue: number };
  channels: (Sold & { id: string; kind: string; title: Sale['title']; partnerId?: string; cap?: number })[];
  direct: Sold;
  partners: (Sold & { partnerId: string; channelIds: string[] })[];
}

const soldCells = (sold: Sold): string[] => [
  String(sold.units.pending),
  String(sold.units.paid),
  String(sold.returned),
  moneyOf(sold.amountPaid),
  moneyOf(sold.commissionBase),
];

/** Who sold what. The board is read once and when it is asked for, because a report reads everything. */
export function board(path: string): HTMLElement {
  const place = element('div');
  const problem = alertBox();
  const load = (): Promise<void> =>
    attempt(problem, async () => {
      place.replaceChildren(...show(await call<Report>('GET', `${path}/report`)));
    });
  void load();
  return element(
    'div',
    {},
    problem,
    place,
    element(
      'p',
      {},
      button(say('refresh'), () => void load()),
    ),
  );
}

function show({ totals, channels, direct, partners }: Report): HTMLElement[] {
  const heads = [
    say('pendingUnits'),
    say('paidUnits'),
    say('returnedUnits'),
    say('money'),
    say('commission'),
  ];
  const channelRows = channels.map((one) => [
    `${textOf(one.title)} (${one.id})`,
    textOfCode(one.kind),
    one.partnerId ?? '',
    String(one.cap ?? ''),
    ...soldCells(one),
  ]);
  const partnerRows = partners.map((one) => [one.partnerId, one.channelIds.join(', '), ...soldCells(one)]);
  return [
    cards(
      card(say('returnedUnits'), String(totals.returned)),
      card(say('writtenOff'), String(totals.returned - totals.restocked)),
      card(say('money'), moneyOf(totals.amountPaid)),
      card(say('refunds'), String(totals.refundDue)),
    ),
    table(
      say('channels'),
      [say('channels'), say('kind'), say('partner'), say('cap'), ...heads],
      [...channelRows, [say('direct'), '', '', '', ...soldCells(direct)]],
    ),
    ...(partnerRows.length === 0
      ? []
      : [table(say('partner'), [say('partner'), say('channels'), ...heads], partnerRows)]),
  ];
}
