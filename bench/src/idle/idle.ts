import { openMeasurement } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { describeEnvironment } from '../target/environment.ts';
import { openTarget } from '../target/target.ts';
import { createScheduled, measureIdle, type IdleFigures } from './many-sales.ts';

/** The sales of `idle_commands_per_sale`, and those of `idle_cpu_10k_sales`. */
const FEW = 500;
const MANY = 10_000;
/** Every sale is looked at once in this time, so a window counts all that is asked. */
const WINDOW_SECONDS = 60;
/** What the creation set off has ended after this time. */
const SETTLE_MS = 10_000;

/**
 * `npm run bench -- idle`: what sales cost that nothing happens to, and how fast sales are created. Redis'
 * commands are counted, so other load of the machine hardly matters to them.
 */
export async function idle(values: BenchValues): Promise<number> {
  const { isQuick, log, write } = openMeasurement(values, {
    name: 'idle',
    takes: ['quick', 'json'],
    rounds: 1,
  });
  const many = isQuick ? FEW : MANY;
  const seconds = isQuick ? 10 : WINDOW_SECONDS;
  const target = await openTarget({ log });
  try {
    const { info } = target;
    if (info === undefined) throw new Error('no stack of our own');
    const environment = await describeEnvironment(target);
    const measure = async (sales: number): Promise<IdleFigures> => {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const figures = await measureIdle(target, info.redis, { sales, seconds });
      log(`${sales} sales: ${figures.commandsPerSecond.toFixed(1)} commands a second, ${toText(figures)}`);
      return figures;
    };
    const none = await measure(0);
    const created = await createScheduled(target, 'few', FEW);
    log(`${FEW} sales created: ${created.perSecond.toFixed(1)} a second, ${created.unknown} unknown`);
    const few = await measure(FEW);
    const createdMore = many > FEW ? await createScheduled(target, 'many', many - FEW) : created;
    log(
      `${many} sales: ${createdMore.perSecond.toFixed(1)} created a second, ${createdMore.unknown} unknown`,
    );
    const all = many > FEW ? await measure(many) : few;
    const figures = {
      idle_commands_per_sale: few.commandsPerSecond / FEW,
      idle_cpu_10k_sales: many === MANY ? all.cores : undefined,
      sales_created_per_second: created.perSecond,
    };
    log(JSON.stringify(figures));
    write({ environment, figures, none, few, all, created, createdMore });
    return 0;
  } finally {
    await target.close();
  }
}

function toText({ cores, coresByProcess }: IdleFigures): string {
  const shares = Object.entries(coresByProcess).map(([name, share]) => `${name} ${share.toFixed(3)}`);
  return `${cores.toFixed(3)} cores of services and Redis (${shares.join(', ')})`;
}
