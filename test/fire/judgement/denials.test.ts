// Goal: the fire test finds a "no" that cannot be true, and believes each that can. Method: an item of ten
// units, a limit of four and a channel of five; what was asked for before, and what somebody was told, by
// hand.
import t from 'tap';
import type { Asked, Denial } from '../crowd.ts';
import { judgeDenials, type Told } from './denials.ts';

const SALES: Told['sales'] = [
  {
    id: 's',
    items: [{ sku: 'a', price: 100, total: 10, step: 1 }],
    channels: [{ id: 'c', cap: 5 }, { id: 'free' }],
    limitPerBuyer: 4,
  },
];

const wish = (userId: string, quantity: number, channelId?: string) => ({
  ...{ saleId: 's', userId, key: `k-${userId}-${quantity}` },
  body: { lines: [{ sku: 'a', quantity }], ...(channelId === undefined ? {} : { channelId }) },
});
const asked = (quantity: number, changes: Partial<Asked> = {}, channelId?: string): Asked => ({
  wish: wish('other', quantity, channelId),
  from: 100,
  isNothing: false,
  ...changes,
});
const line = (code: string, available?: number) => ({
  ...{ code, sku: 'a' },
  ...(available === undefined ? {} : { available }),
});
function denial(code: string, lines: Denial['lines'] = [], changes: Partial<Denial> = {}): Denial {
  return { ...wish('me', 2), from: 200, until: 210, code, lines, ...changes };
}
const judge = (given: Denial, told: Partial<Told> = {}): string[] =>
  judgeDenials({ sales: SALES, asked: [], denials: [given], changes: [], pauses: [], ...told });

const soldOut = denial('sold_out', [line('sold_out', 1)]);
const inChannel = denial('channel_full', [], wish('me', 2, 'c'));
const pause = { saleId: 's', from: 160, until: 170, asked: 150, ended: 190 };

await t.test('a "no" that may be true is believed', (t) => {
  const cases: [name: string, given: Denial, told: Partial<Told>][] = [
    ['the others may have taken all but one', soldOut, { asked: [asked(9)] }],
    [
      'units were taken out',
      soldOut,
      { asked: [asked(7)], changes: [{ saleId: 's', sku: 'a', units: -2, from: 1 }] },
    ],
    [
      'the same key, of somebody else',
      soldOut,
      { asked: [asked(9, { wish: { ...wish('other', 9), key: soldOut.key } })] },
    ],
    ['the limit', denial('limit_reached'), { asked: [asked(3, { wish: wish('me', 3) })] }],
    ['the cap of the channel', inChannel, { asked: [asked(4, {}, 'c')] }],
    ['a paused sale', denial('sale_paused'), { pauses: [pause] }],
    ['a paused item', denial('item_paused', [line('item_paused')]), { pauses: [{ ...pause, sku: 'a' }] }],
  ];
  for (const [name, given, told] of cases) t.same(judge(given, told), [], name);
  t.end();
});

await t.test('a "no" that cannot be true is found', (t) => {
  const cases: [name: string, given: Denial, told: Partial<Told>][] = [
    ['nobody else came', soldOut, {}],
    ['too few were asked for', soldOut, { asked: [asked(8)] }],
    ['they were asked for later', soldOut, { asked: [asked(9, { from: 211 })] }],
    ['the others heard "no" at once', soldOut, { asked: [asked(9, { isNothing: true })] }],
    ['of another sale', soldOut, { asked: [asked(9, { wish: { ...wish('other', 9), saleId: 't' } })] }],
    ['enough are there', denial('sold_out', [line('sold_out', 2)]), { asked: [asked(9)] }],
    ['the limit of another buyer', denial('limit_reached'), { asked: [asked(3)] }],
    ['a channel that has room', inChannel, { asked: [asked(3, {}, 'c')] }],
    ['the cap of another channel', inChannel, { asked: [asked(9)] }],
    [
      'a channel without a cap',
      denial('channel_full', [], wish('me', 2, 'free')),
      { asked: [asked(9, {}, 'free')] },
    ],
    ['a sale that was resumed', denial('sale_paused'), { pauses: [{ ...pause, asked: -950, ended: -810 }] }],
    ['a sale that was not paused yet', denial('sale_paused'), { pauses: [{ ...pause, asked: 211 }] }],
    ['an item of a sale', denial('item_paused', [line('item_paused')]), { pauses: [pause] }],
    ['a sale that is open', denial('sale_ended'), {}],
  ];
  for (const [name, given, told] of cases) t.match(judge(given, told), [/^truth: me .* was told /], name);
  t.end();
});
