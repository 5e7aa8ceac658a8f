import { parseInstant, type Sale } from '@seckill/contracts';
import { CommandError, print } from '@seckill/runtime';
import { RefusedError, type Gateway } from './gateway.ts';
import { planSale, type Plan, type Step } from './plan.ts';
import type { SaleText } from './sale-text.ts';

export interface ApplyOptions {
  isDryRun: boolean;
  /** Totals may be lowered. */
  mayLower: boolean;
  reason: string | undefined;
}

/** @returns whether the file and the sale differ, told line by line. */
export async function tellDifferences(gateway: Gateway, text: SaleText): Promise<boolean> {
  const sale = await gateway.read(text.sale.id);
  if (sale === undefined) {
    print(`${text.placeOf(['id'])}: there is no sale ${text.sale.id} yet`);
    return true;
  }
  const { steps, conflicts } = planSale(text.sale, sale);
  for (const one of [...conflicts, ...steps]) print(`${text.placeOf(one.path)}: ${one.text}`);
  if (steps.length + conflicts.length === 0) print(`${text.sale.id} is as the file says`);
  return steps.length + conflicts.length > 0;
}

/**
 * Brings the sale to what its file says. Nothing is done when something cannot be. Each change depends on the
 * version that the one before made, so two operators never mix what they want.
 * @throws CommandError
 */
export async function applySale(gateway: Gateway, text: SaleText, options: ApplyOptions): Promise<void> {
  const { id } = text.sale;
  const found = await gateway.read(id);
  if (found === undefined) refuseLateStop(text, Date.now());
  if (found === undefined && options.isDryRun) {
    print(`${id}: would be created`);
    return;
  }
  const sale = found ?? (await create(gateway, text));
  const plan = planSale(text.sale, sale);
  refuse(plan, text, options);
  if (options.isDryRun) {
    for (const step of plan.steps) print(`would change ${id}: ${step.text}`);
  } else await take(gateway, { text, sale, plan, reason: options.reason });
  if (plan.steps.length === 0 && found !== undefined) print(`${id} is as the file says; nothing was changed`);
}

/** A sale is created before it is stopped, so there must be time between its creation and its opening. */
export const STOPPED_AHEAD_MS = 60_000;

/**
 * Refuses a file that creates a sale and stops it, when buyers could buy in between. @throws CommandError
 * @param now milliseconds since the epoch, by the clock of this machine
 */
export function refuseLateStop({ sale, placeOf }: SaleText, now: number): void {
  const { state, items, opensAt } = sale;
  const pausedAt = items.findIndex(({ paused }) => paused === true);
  const isStopped = state === 'paused' || state === 'closed';
  if (!isStopped && pausedAt < 0) return;
  if (opensAt !== undefined && (parseInstant(opensAt) ?? 0) >= now + STOPPED_AHEAD_MS) return;
  const place = placeOf(isStopped ? ['state'] : ['items', pausedAt, 'paused']);
  throw new CommandError(
    `nothing was created\n${place}: a new sale that is to be stopped needs an opensAt at least ` +
      `${STOPPED_AHEAD_MS / 1_000} s ahead, or it would sell before it is stopped`,
  );
}

/** What a sale is created with, without what is steered afterwards. */
async function create(gateway: Gateway, text: SaleText): Promise<Sale> {
  const { state: _state, items, ...rest } = text.sale;
  const body = { ...rest, items: items.map(({ paused: _paused, ...item }) => item) };
  const sale = await told(text, () => gateway.call({ method: 'POST', path: '/v1/sales', body }));
  print(`created ${text.sale.id}`);
  return sale as Sale;
}

function refuse({ steps, conflicts }: Plan, text: SaleText, { mayLower }: ApplyOptions): void {
  const lowered = mayLower ? [] : steps.filter(({ lowers }) => lowers);
  const lines = [
    ...conflicts.map((one) => `${text.placeOf(one.path)}: ${one.text}`),
    ...lowered.map((one) => `${text.placeOf(one.path)}: ${one.text}, which only --lower does`),
  ];
  if (lines.length > 0) throw new CommandError(`nothing was changed\n${lines.join('\n')}`);
}

async function take(
  gateway: Gateway,
  { text, sale, plan, reason }: { text: SaleText; sale: Sale; plan: Plan; reason: string | undefined },
): Promise<void> {
  let { version } = sale;
  for (const step of plan.steps) {
    const work = () =>
      gateway.call({
        method: step.method,
        path: `/v1/sales/${encodeURIComponent(text.sale.id)}${step.call}`,
        body: { ...step.body, ...(reason === undefined ? {} : { reason }) },
        version,
        ...(step.needsKey ? { key: keyOf(text.sale.id, version, step) } : {}),
      });
    const answer = await told(text, work, step.channelIndexes);
    const { adjusted, sale: after } = answer as { adjusted?: number; sale?: Sale };
    ({ version } = after ?? (answer as Sale));
    print(`changed ${text.sale.id}: ${step.text}`);
    if (adjusted !== undefined && adjusted !== step.body['quantity']) {
      const missing = Number(step.body['quantity']) - adjusted;
      const place = text.placeOf(step.path);
      throw new CommandError(`${place}: only ${-adjusted} could be taken out, ${-missing} are held or paid`);
    }
  }
}

/** Under one version a change is one, however often it is asked for. */
const keyOf = (saleId: string, version: number, { call, body }: Step): string =>
  `sale-file:${saleId}:${version}:${call}:${String(body['quantity'])}`;

/**
 * Says which line of the file a refusal is about.
 * @param channelIndexes where in the file each channel that was sent stands, when not all were sent
 */
async function told<Result>(
  text: SaleText,
  work: () => Promise<Result>,
  channelIndexes?: readonly number[],
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    if (error.problem.code === 'version_conflict') {
      throw new CommandError(
        `somebody else has changed ${text.sale.id} meanwhile; look, and apply again`,
        1,
        error,
      );
    }
    const { field } = error.problem as { field?: unknown };
    if (typeof field !== 'string') throw error;
    throw new CommandError(`${text.placeOf(pathOf(field, channelIndexes))}: ${error.message}`, 1, error);
  }
}

/** Where in the file the field of a refusal stands. The service counts the channels that it was sent. */
export function pathOf(field: string, channelIndexes?: readonly number[]): (string | number)[] {
  const path = field.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const [list, index, ...rest] = path;
  if (list !== 'channels' || typeof index !== 'number' || channelIndexes === undefined) return path;
  return [list, channelIndexes[index] ?? index, ...rest];
}
