import { isDeepStrictEqual } from 'node:util';
import { parseInstant, type Sale, type SaleFile } from '@seckill/contracts';

type Path = (string | number)[];

/** One call that brings a sale nearer to its file. */
export interface Step {
  /** For a person. */
  text: string;
  /** Where the file says so. */
  path: Path;
  method: 'POST' | 'PATCH';
  /** Below the sale's own address; '': the sale itself. */
  call: string;
  body: Record<string, unknown>;
  /** The call wants a key, which a repeat has again. */
  needsKey?: true;
  /** Takes units out of an item. */
  lowers?: true;
  /** Where in the file each channel of the body stands. */
  channelIndexes?: number[];
}

/** What the file wants and no call can do. */
export interface Conflict {
  path: Path;
  text: string;
}

export interface Plan {
  steps: Step[];
  conflicts: Conflict[];
}

type Item = Sale['items'][number];
type FileItem = SaleFile['items'][number];

const PATCHED = ['title', 'description', 'image', 'metadata', 'holdSeconds', 'limitPerBuyer'] as const;
const INSTANTS = ['opensAt', 'closesAt'] as const;
/** Fixed when the sale is created. */
const FIXED = ['holdsPerBuyerMax', 'rejoinSeconds', 'lateMoney', 'groupMinimum'] as const;
const FIXED_OF_CHANNEL = ['kind', 'partnerId', 'pickupPointId', 'groupMinimum'] as const;
const FIXED_OF_ITEM = [
  'title',
  'description',
  'image',
  'metadata',
  'price',
  'components',
  'minQuantity',
  'step',
  'limitPerBuyer',
] as const;

const show = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));

/**
 * What has to be done so that the sale is as its file says. What the file leaves out stays. What pauses comes
 * first, and what sells on comes last. A close comes last too, because a closed sale takes no other change.
 */
export function planSale(file: SaleFile, sale: Sale): Plan {
  const patch = planPatch(file, sale);
  const items = planItems(file, sale);
  const state = planState(file, sale);
  const isStop = (step: Step) => step.call.endsWith('/pause');
  const steps = [...patch.steps, ...items.steps, ...state.steps];
  return {
    steps: [...steps.filter(isStop), ...steps.filter((step) => !isStop(step))],
    conflicts: [...patch.conflicts, ...items.conflicts, ...state.conflicts],
  };
}

function planPatch(file: SaleFile, sale: Sale): Plan {
  const body: Record<string, unknown> = {};
  const said: { text: string; path: Path }[] = [];
  const change = (name: string, before: unknown, after: unknown) => {
    body[name] = after;
    said.push({ text: `${name}: ${show(before)} → ${show(after)}`, path: [name] });
  };
  for (const name of PATCHED) {
    if (file[name] !== undefined && !isDeepStrictEqual(file[name], sale[name])) {
      change(name, sale[name], file[name]);
    }
  }
  for (const name of INSTANTS) {
    const text = file[name];
    if (text !== undefined && parseInstant(text) !== parseInstant(sale[name])) change(name, sale[name], text);
  }
  const channels = planChannels(file, sale);
  if (channels.changed.length > 0) {
    body['channels'] = channels.changed.map(({ channel }) => channel);
    said.push(...channels.changed);
  }
  const fixedNames = FIXED.filter(
    (name) => file[name] !== undefined && file[name] !== (sale[name] ?? DEFAULTS[name]),
  ).map((name) => fixed([name], sale[name], file[name]));
  const hasOpened = Date.parse(sale.opensAt) <= Date.parse(sale.serverTime);
  const openings =
    hasOpened && body['opensAt'] !== undefined ? [fixed(['opensAt'], sale.opensAt, file.opensAt)] : [];
  const conflicts = [...fixedNames, ...openings, ...channels.conflicts];
  const [first] = said;
  if (first === undefined) return { steps: [], conflicts };
  const text = said.map((one) => one.text).join('; ');
  const channelIndexes = channels.changed.map(({ index }) => index);
  return { steps: [{ text, path: first.path, method: 'PATCH', call: '', body, channelIndexes }], conflicts };
}

type Channel = NonNullable<SaleFile['channels']>[number];

/** Channels are sent whole, so what a file leaves out of one is taken away. */
function planChannels(
  file: SaleFile,
  sale: Sale,
): { changed: { channel: Channel; index: number; text: string; path: Path }[]; conflicts: Conflict[] } {
  const known = new Map(sale.channels?.map((channel) => [channel.id, channel]));
  const changed = [];
  const conflicts = [];
  for (const [index, channel] of (file.channels ?? []).entries()) {
    const before = known.get(channel.id);
    if (isDeepStrictEqual(channel, before)) continue;
    const path = ['channels', index];
    const text = `channel ${channel.id}: ${before === undefined ? 'added' : 'changed'}`;
    changed.push({ channel, index, text, path });
    for (const name of FIXED_OF_CHANNEL) {
      if (before !== undefined && before[name] !== channel[name]) {
        conflicts.push(fixed([...path, name], before[name], channel[name]));
      }
    }
  }
  return { changed, conflicts };
}

const DEFAULTS: Partial<Record<(typeof FIXED)[number], unknown>> = { lateMoney: 'refund' };

const fixed = (path: Path, before: unknown, after: unknown): Conflict => ({
  path,
  text: `${path.join('.')} is fixed: ${show(before)}, not ${show(after)}`,
});

function planItems(file: SaleFile, sale: Sale): Plan {
  const plan: Plan = { steps: [], conflicts: [] };
  const known = new Map(sale.items.map((item) => [item.sku, item]));
  for (const [index, item] of file.items.entries()) {
    const path = ['items', index];
    const before = known.get(item.sku);
    if (before === undefined) {
      plan.conflicts.push({ path, text: `${item.sku} is no item of the sale, and none can be added` });
      continue;
    }
    for (const name of FIXED_OF_ITEM) {
      if (item[name] !== undefined && !isDeepStrictEqual(item[name], before[name])) {
        plan.conflicts.push(fixed([...path, name], before[name], item[name]));
      }
    }
    plan.steps.push(...planUnits(item, before, path), ...planPause(item, before, path));
  }
  return plan;
}

function planUnits({ sku, total, components }: FileItem, before: Item, path: Path): Step[] {
  if (total === undefined || components !== undefined || total === before.total) return [];
  const quantity = total - before.total;
  const verb = quantity > 0 ? 'restock' : 'adjust';
  return [
    {
      text: `${sku}: total ${before.total} → ${total} (${verb} ${quantity})`,
      path: [...path, 'total'],
      method: 'POST',
      call: `/items/${sku}/${verb}`,
      body: { quantity },
      needsKey: true,
      ...(quantity < 0 ? { lowers: true } : {}),
    },
  ];
}

/** A kit whose part is paused is shown as paused, and only its own pause can be ended here. */
function planPause({ sku, paused }: FileItem, before: Item, path: Path): Step[] {
  if (paused === undefined || paused === (before.paused ?? false)) return [];
  const verb = paused ? 'pause' : 'resume';
  const at = { path: [...path, 'paused'], method: 'POST' as const, call: `/items/${sku}/${verb}` };
  return [{ text: `${sku}: ${verb}`, ...at, body: {} }];
}

function planState({ state }: SaleFile, sale: Sale): Plan {
  const isPaused = sale.state === 'paused';
  const path = ['state'];
  const step = (verb: string): Plan => ({
    steps: [{ text: `the sale: ${verb}`, path, method: 'POST', call: `/${verb}`, body: {} }],
    conflicts: [],
  });
  if (state === undefined || state === sale.state) return { steps: [], conflicts: [] };
  if (sale.state === 'closed') {
    return { steps: [], conflicts: [{ path, text: 'the sale is closed, and stays so' }] };
  }
  if (state === 'closed') return step('close');
  if (state === 'paused') return step('pause');
  return isPaused ? step('resume') : { steps: [], conflicts: [] };
}
