import { ReservationId, SaleId } from '@seckill/contracts';
import {
  CommandError,
  createLogger,
  createPool,
  fitting,
  flag,
  print,
  Problem,
  runCommand,
  stackName,
  systemClock,
  UsageError,
  type Pool,
  type Values,
} from '@seckill/runtime';
import { eraseOfOrder, eraseOfSale } from '../orders/contact-erasure.ts';
import { findEngines } from './command.ts';

const HELP = `Usage: npm run contacts -- erase --sale ID | --order ID [options]
Erases contacts of reservations (name, phone, note, pick-up person) in PostgreSQL, for ever. Orders stay, and a repeat of a
reservation gets its first answer. Run it once a sale is over: what is still on its way to PostgreSQL is not met. Running
it again changes nothing more. Redis and Kafka keep what is sealed for a while, and so do your backups; see
docs/operating/contacts.md.

  --sale ID       of all orders of this sale
  --order ID      of this order alone
  --json          the answer as JSON: { "erased": 12 }
  --name NAME     database of .run/NAME/stack.json; without it DATABASE_URL, or else the stack "default"
                  (--stack is the same)
  --help          this text

Exit code: 0 done, 1 failed, 2 wrong usage.`;

const OPTIONS = {
  sale: fitting(SaleId, 'the id of a sale'),
  order: fitting(ReservationId, 'the id of an order'),
  json: flag,
  name: stackName,
};

/** How often a person is told how far it is. */
const PROGRESS_MS = 1_000;

type Given = Values<typeof OPTIONS>;

/** Everything that is wrong about the words is told before anything is done. */
function readWork({ sale, order }: Given, [command = 'nothing']: string[]): (pool: Pool) => Promise<number> {
  if (command !== 'erase') throw new UsageError(`erase is needed, met ${command}`);
  if (sale !== undefined && order !== undefined) throw new UsageError('either --sale or --order');
  if (order !== undefined) return async (pool) => ((await eraseOfOrder(pool, order)) ? 1 : 0);
  if (sale === undefined) throw new UsageError('erase wants --sale or --order');
  return (pool) => {
    let toldAt = systemClock.now();
    return eraseOfSale(pool, sale, (lookedAt, erased) => {
      if (systemClock.now() - toldAt < PROGRESS_MS) return;
      toldAt = systemClock.now();
      process.stderr.write(`${lookedAt} orders looked at, ${erased} contacts erased\n`);
    });
  };
}

async function main(values: Given, words: string[]): Promise<undefined> {
  const work = readWork(values, words);
  const logger = createLogger('contacts', 'silent');
  const pool = createPool(findEngines(values.name).databaseUrl(), logger, { max: 1 });
  try {
    const erased = await work(pool);
    print(values.json === true ? JSON.stringify({ erased }) : `contacts erased: ${erased}`);
  } catch (error) {
    // What a route would answer is what a person reads.
    throw error instanceof Problem ? new CommandError(error.message) : error;
  } finally {
    await pool.end();
  }
}

await runCommand({ help: HELP, options: OPTIONS, wordsMax: 1 }, main);
