import { addVary, mediaTypeOf } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Text, which a person may have written; a number of ours; undefined: an empty cell. */
export type Cell = string | number | undefined;

/**
 * What makes a spreadsheet take a cell for a formula, which could then call other programs or other sites.
 * Some take the full-width forms of these signs as well.
 */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
/** Tells spreadsheets that the file is UTF-8: they would guess, and garble Chinese. */
export const BYTE_ORDER_MARK = '\ufeff';

/** One line of a file for spreadsheets (RFC 4180). A text that begins like a formula is made none. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(toCell).join(',')}\r\n`;
}

function toCell(cell: Cell): string {
  if (cell === undefined) return '';
  if (typeof cell === 'number') return String(cell);
  // Every text is quoted: where the comma is the decimal sign a semicolon ends a cell.
  return `"${(FORMULA.test(cell) ? `'${cell}` : cell).replaceAll('"', '""')}"`;
}

/** Whether the client asks for CSV, by the query or by `Accept`. */
export function wantsCsv(request: FastifyRequest, format: 'csv' | undefined): boolean {
  const accept = request.headers.accept;
  return format === 'csv' || mediaTypeOf(accept, ['application/json', 'text/csv']) === 'text/csv';
}

/** Says that the answer is a file. @param name a name of ours, without quotes. */
export function tellCsv(reply: FastifyReply, name: string): void {
  addVary(reply, 'accept');
  reply.header('content-type', 'text/csv; charset=utf-8; header=present');
  reply.header('content-disposition', `attachment; filename="${name}.csv"`);
}
