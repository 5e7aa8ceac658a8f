import { SaleFile } from '@seckill/contracts';

/** The schema of a sale's file, for editors: what JSON shows of the one in code. */
export function saleFileSchema(): string {
  const schema = JSON.parse(JSON.stringify(SaleFile)) as object;
  const head = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A sale of Seckill',
    description: 'What `npm run sale -- apply FILE` brings about. What the file leaves out stays as it is.',
  };
  return `${JSON.stringify({ ...head, ...schema }, null, 2)}\n`;
}
