import type { Sale, SaleFile } from '@seckill/contracts';
import { stringify } from 'yaml';

/** Where editors find what a file may say. */
export const SCHEMA_FILE = 'sale.schema.json';

/** A sale as a file that changes nothing when it is applied. */
export function toSaleFile(sale: Sale): SaleFile {
  const { state, version: _version, serverTime: _now, items, ...rest } = sale;
  return {
    ...rest,
    // A sale that waits, or loads, is open by what operators decided.
    state: state === 'paused' || state === 'closed' ? state : 'open',
    items: items.map((item) => {
      const { total, available: _free, held: _held, paid: _paid, soldOut: _out, ...described } = item;
      return described.components === undefined ? { ...described, total } : described;
    }),
  };
}

export const toYaml = (sale: Sale): string =>
  `# yaml-language-server: $schema=${SCHEMA_FILE}\n${stringify(toSaleFile(sale), { lineWidth: 0 })}`;
