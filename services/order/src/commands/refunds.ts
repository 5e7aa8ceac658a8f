import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  CommandError,
  createLogger,
  createPool,
  flag,
  formatTable,
  type Pool,
  print,
  runCommand,
  stackName,
  type Values,
} from '@seckill/runtime';
import { findEngines } from './command.ts';
import type { RefundReason } from '../payments/payment.ts';

/** An order comes within seconds of its payment; one that has not by now is missing. */
const ORDER_WAIT_MINUTES = 5;
/** A list longer than this is not read by a person; the oldest come first. */
const ROWS_MAX = 10_000;

export interface Refund {
  orderId: string;
  paymentId: string;
  /** Minor units. */
  amount: { amount: number; currency: string };
  /**
   * `no_order_yet`: the money waits for an order that has not come; it is not certain yet what becomes of it.
   */
  reason: RefundReason | 'no_order_yet';
  since: string;
  /** How often the provider sent it. */
  notices: number;
}

interface RefundRow {
  order_id: string;
  payment_id: string;
  amount: string;
  currency: string;
  reason: Refund['reason'];
  since: Date;
  notices: number;
}

/**
 * Payments that buy nothing, and those whose order does not come, oldest first: money that a person has to
 * look after.
 */
export async function listRefunds(pool: Pool): Promise<Refund[]> {
  const { rows } = await pool.query<RefundRow>(
    `SELECT order_id, payment_id, amount, currency, refund_reason AS reason, result_at AS since, notices
     FROM payments WHERE result = 'refund_due'
     UNION ALL
     SELECT order_id, payment_id, amount, currency, 'no_order_yet', received_at, notices
     FROM payments WHERE result = 'recorded' AND received_at < now() - make_interval(mins => $2)
     ORDER BY since, payment_id, order_id, amount, currency LIMIT $1`,
    [ROWS_MAX, ORDER_WAIT_MINUTES],
  );
  return rows.map((row) => ({
    orderId: row.order_id,
    paymentId: row.payment_id,
    amount: { amount: Number(row.amount), currency: row.currency },
    reason: row.reason,
    since: row.since.toISOString(),
    notices: row.notices,
  }));
}

const HELP = `Usage: npm run refunds -- [options]
Lists payments that bought nothing and are to be given back, and those that have waited for their order for more than
${ORDER_WAIT_MINUTES} minutes, oldest first (at most ${ROWS_MAX}).

  --json          answers as JSON; amounts in minor units
  --name NAME     database of .run/NAME/stack.json; without it DATABASE_URL, or else the stack "default"
                  (--stack is the same)
  --help          this text

Why: wrong_amount     amount or currency is not the order's
     order_ended      the order was cancelled, expired or refused before the money came
     second_payment   another payment had paid the order
     other_order      this payment had paid another order
     unknown_order    no order can have this id
     no_order_yet     its order has not come: the message is late, parked (npm run dead-letters) or lost; when it comes,
                      the payment counts, so give nothing back before you know
Exit code: 0 done, 1 failed, 2 wrong usage.`;

const OPTIONS = { json: flag, name: stackName };

async function main(values: Values<typeof OPTIONS>): Promise<undefined> {
  const pool = createPool(findEngines(values.name).databaseUrl(), createLogger('refunds', 'silent'), {
    max: 1,
  });
  try {
    const refunds = await listRefunds(pool);
    if (values.json === true) print(JSON.stringify(refunds, null, 2));
    else if (refunds.length === 0) print('no refunds are due');
    else print(formatTable([['order', 'payment', 'amount', 'why', 'since'], ...refunds.map(toRow)]));
    if (refunds.length === ROWS_MAX) throw new CommandError(`there may be more than ${ROWS_MAX}`);
  } finally {
    await pool.end();
  }
}

function toRow({ orderId, paymentId, amount, reason, since }: Refund): string[] {
  return [orderId, paymentId, `${amount.amount} ${amount.currency}`, reason, since];
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS }, main);
}
