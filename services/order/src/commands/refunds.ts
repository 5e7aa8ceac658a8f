import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SaleId, type Refund } from '@seckill/contracts';
import {
  createLogger,
  createPool,
  fitting,
  flag,
  formatTable,
  oneOf,
  print,
  runCommand,
  stackName,
  UsageError,
  type Values,
} from '@seckill/runtime';
import { ORDER_WAIT_MINUTES, Refunds, type RefundQuery } from '../payments/refunds.ts';
import { findEngines, forPerson } from './command.ts';
import { LIMIT_DEFAULT, LIMIT_MAX, PAGE_OPTIONS, readId, reference, refuseOthers } from './list-options.ts';

const HELP = `Usage: npm run refunds -- [list] [options]
       npm run refunds -- done ID --reference R [options]
Payments that bought nothing and are to be given back, and those that have waited for their order for more than
${ORDER_WAIT_MINUTES} minutes, oldest first. "done" marks one as given back: again with the same reference it changes
nothing, with another it fails.

  --state STATE   list: due (default) or done
  --sale ID       list: of this sale alone
  --since INSTANT list: due from then on, as 2026-11-22T12:00:00Z
  --until INSTANT list: due before then
  --limit N       list: so many, 1 to ${LIMIT_MAX} (default ${LIMIT_DEFAULT}); the cursor of the next page is told
  --cursor C      list: the page behind this cursor
  --reference R   done: the provider's name for the refund, 1 to 200 characters
  --json          answers as JSON; amounts in minor units
  --name NAME     database of .run/NAME/stack.json; without it DATABASE_URL, or else the stack "default"
                  (--stack is the same)
  --help          this text

Why: wrong_amount     amount or currency is not the order's
     order_ended      the order was cancelled, expired or refused before the money came
     second_payment   another payment had paid the order
     other_order      this payment had paid another order (before a payment could pay several)
     unknown_order    no order can have this id
     no_order_yet     its order has not come: the message is late, parked (npm run dead-letters) or lost; when it comes,
                      the payment counts, so give nothing back before you know
     returned         an operator took units of a paid order back
     group_failed     the group purchase of the order failed
     order_missing    its order had not come, and the money was marked as given back
Exit code: 0 done, 1 failed, 2 wrong usage.`;

const FILTERS = {
  state: oneOf(['due', 'done']),
  sale: fitting(SaleId, 'the id of a sale'),
  ...PAGE_OPTIONS,
};
const OPTIONS = { ...FILTERS, reference, json: flag, name: stackName };

async function list(refunds: Refunds, values: Values<typeof OPTIONS>): Promise<void> {
  const { state = 'due', sale: saleId, since, until, limit = LIMIT_DEFAULT, cursor } = values;
  const query: RefundQuery = { state, saleId, since, until, limit, cursor };
  const page = await refunds.list(query);
  if (values.json === true) {
    print(JSON.stringify(page, null, 2));
    return;
  }
  if (page.data.length === 0) print(`no refunds are ${state}`);
  else
    print(formatTable([['id', 'order', 'payment', 'amount', 'why', 'since', ''], ...page.data.map(toRow)]));
  if (page.nextCursor !== undefined) print(`more: --cursor ${page.nextCursor}`);
}

function toRow({ id, orderId, paymentId, amount, reason, since, reference: done = '' }: Refund): string[] {
  return [id, orderId, paymentId, `${amount.amount} ${amount.currency}`, reason, since, done];
}

async function finish(refunds: Refunds, id: string, wanted: string, isJson: boolean): Promise<void> {
  const refund = await refunds.done(id, wanted);
  print(isJson ? JSON.stringify(refund, null, 2) : `done: refund ${id}, reference ${wanted}`);
}

/** Everything that is wrong about the words is told before anything is done. */
function readWork(
  values: Values<typeof OPTIONS>,
  [command = 'list', id]: string[],
): (refunds: Refunds) => Promise<void> {
  if (command === 'list') {
    if (id !== undefined) throw new UsageError(`list takes no ${id}`);
    refuseOthers(command, values, Object.keys(FILTERS));
    return (refunds) => list(refunds, values);
  }
  if (command !== 'done') throw new UsageError(`one of list, done is needed, met ${command}`);
  refuseOthers(command, values, ['reference']);
  const refundId = readId(id);
  const wanted = values.reference;
  if (wanted === undefined) throw new UsageError('done wants --reference');
  return (refunds) => finish(refunds, refundId, wanted, values.json === true);
}

async function main(values: Values<typeof OPTIONS>, words: string[]): Promise<undefined> {
  const work = readWork(values, words);
  const pool = createPool(findEngines(values.name).databaseUrl(), createLogger('refunds', 'silent'), {
    max: 1,
  });
  try {
    await work(new Refunds(pool));
  } catch (error) {
    throw forPerson(error);
  } finally {
    await pool.end();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS, wordsMax: 2 }, main);
}
