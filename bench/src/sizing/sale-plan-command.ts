/** `npm run plan`: tells what to deploy for one sale. */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { SaleInput } from '@seckill/contracts';
import { flag, inputFile, runCommand, UsageError, wholeNumber, type Values } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import { CAPACITY } from './capacity.ts';
import { planSale, type Plan } from './sale-plan.ts';

const HELP = `Reckons replicas, lanes, partitions, machines and the scaling calendar of a sale, and what is the nearest limit, from
figures that were measured.

  npm run --silent plan -- --sale FILE --crowd N [--json]

  --sale FILE  the sale, as POST /v1/sales takes it
  --crowd N    buyers that are expected, 1 to 100,000,000
  --json       the plan as JSON
  --help       this text

Exit code: 0 done, 2 wrong usage, also when the file cannot be read or is no sale.`;

const OPTIONS = { sale: inputFile, crowd: wholeNumber(1, 100_000_000), json: flag };

const isSale = Compile(SaleInput);

function readSale(file: string): SaleInput {
  const bytes = readFileSync(file);
  if (!isUtf8(bytes)) throw new UsageError(`${file} is not UTF-8`);
  const text = bytes.toString('utf8');
  let sale: unknown;
  try {
    sale = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${file} is no JSON: ${reason}`);
  }
  if (isSale.Check(sale)) return sale;
  const [first] = isSale.Errors(sale);
  throw new UsageError(`${file} is no sale: ${first?.instancePath ?? ''} ${first?.message ?? ''}`);
}

function trigger(name: string, replicas: number, { start, end }: Plan['cron']): string {
  return `# ScaledObject ${name}
    - type: cron
      metadata:
        timezone: Etc/UTC
        start: ${start}
        end: ${end}
        desiredReplicas: '${replicas}'`;
}

function print({ steps, warnings, firstLimit, cron }: Plan): void {
  const width = Math.max(...steps.map(({ what }) => what.length));
  for (const { what, value, why } of steps)
    console.log(`${what.padEnd(width)}  ${value}\n${' '.repeat(width)}    ${why}`);
  console.log(`\n${firstLimit}`);
  for (const warning of warnings) console.log(`\nwarning: ${warning}`);
  console.log(
    '\nFor k8s/components/autoscaling/autoscaling.yaml; raise maxReplicaCount where it is lower:\n',
  );
  console.log(trigger('gateway', cron.gateway, cron));
  console.log(trigger('stock-http', cron.stock, cron));
  console.log('\nMeasured:');
  for (const { value, unit, source } of Object.values(CAPACITY)) {
    console.log(`  ${value.toLocaleString('en-US')} ${unit}: ${source}`);
  }
}

async function main({ sale, crowd, json }: Values<typeof OPTIONS>): Promise<undefined> {
  if (sale === undefined || crowd === undefined) throw new UsageError('--sale FILE and --crowd N are needed');
  const plan = planSale(readSale(sale), crowd, Date.now());
  if (json === true) console.log(JSON.stringify({ ...plan, figures: CAPACITY }, null, 2));
  else print(plan);
}

await runCommand({ help: HELP, options: OPTIONS }, main);
