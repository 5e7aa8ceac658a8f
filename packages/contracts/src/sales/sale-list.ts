import { Type, type Static } from 'typebox';
import { ChannelId } from '../values/ids.ts';
import { pageCursor, PageLimit } from '../values/page.ts';
import { Sale } from './sale.ts';
import type { SaleRecord } from './sale-record.ts';

/** A sale that is loading is listed by what its window and its operator say. */
export const ListedState = Type.Union([
  Type.Literal('open'),
  Type.Literal('scheduled'),
  Type.Literal('paused'),
  Type.Literal('closed'),
]);
export type ListedState = Static<typeof ListedState>;

/** The query of a list of sales. */
export const SalesQuery = Type.Object(
  {
    state: Type.Optional(ListedState),
    /** Only sales that have this channel. */
    channelId: Type.Optional(ChannelId),
    limit: Type.Optional(PageLimit),
    cursor: Type.Optional(pageCursor(256)),
  },
  { additionalProperties: false },
);
export type SalesQuery = Static<typeof SalesQuery>;

export const SalePage = Type.Object({
  data: Type.Array(Sale),
  nextCursor: Type.Optional(Type.String()),
});
export type SalePage = Static<typeof SalePage>;

/** What order answers to the gateway for a page. The counts come from stock. */
export interface SaleRecordPage {
  data: SaleRecord[];
  nextCursor?: string;
}
