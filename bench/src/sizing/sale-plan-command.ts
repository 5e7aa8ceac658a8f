/** `npm run plan`: what to deploy for one sale. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SaleInput } from '@seckill/contracts';
import { runCli, StackError } from '@seckill/stack';
import { Compile } from 'typebox/compile';
import { CAPACITY } from './capacity.ts';
import { planSale, type Plan } from './sale-plan.ts';

const HELP = `Reckons replicas, lanes, partitions and the scaling calendar of a sale, from figures that were measured.

  npm run --silent plan -- --sale FILE --crowd N [--json]

  --sale FILE  the sale, as POST /v1/sales takes it
  --crowd N    buyers that are expected, 1 to 100,000,000
  --json       the plan as JSON
  --help       this text

Exit code: 0 done, 1 the sale cannot be read or is no sale, 2 wrong usage.`;

const CLI = {
  sale: { type: 'string' },
  crowd: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const CROWD_MAX = 100_000_000;

const isSale = Compile(SaleInput);

function readSale(file: string): SaleInput {
  let sale: unknown;
  try {
    sale = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StackError('SECKILL_PLAN_SALE', `${file} cannot be read: ${reason}`);
  }
  if (isSale.Check(sale)) return sale;
  const [first] = isSale.Errors(sale);
  throw new StackError(
    'SECKILL_PLAN_SALE',
    `${file} is no sale: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
  );
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

function print({ steps, warnings, cron }: Plan): void {
  const width = Math.max(...steps.map(({ what }) => what.length));
  for (const { what, value, why } of steps)
    console.log(`${what.padEnd(width)}  ${value}\n${' '.repeat(width)}    ${why}`);
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

async function main(): Promise<number> {
  const { values } = parseArgs({ options: CLI });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const crowd = Number(values.crowd);
  if (values.sale === undefined || !Number.isInteger(crowd) || crowd < 1 || crowd > CROWD_MAX) {
    console.error(
      `--sale FILE and --crowd N, a whole number from 1 to ${CROWD_MAX}, are required.\nSee --help.`,
    );
    return 2;
  }
  const plan = planSale(readSale(values.sale), crowd, Date.now());
  if (values.json) console.log(JSON.stringify({ ...plan, figures: CAPACITY }, null, 2));
  else print(plan);
  return 0;
}

await runCli(main);
