import {
  closedModel,
  PLAIN_TRAFFIC,
  limitlessSale,
  warmUpOf,
  CLOSED_OPTIONS,
  type LoadScenario,
} from './load.ts';

/** One buyer takes all units, as in `sold-out`, which this scenario is compared with. */
const TOTAL = 100;

/** Pages that look at a sale and do nothing else. Nothing changes meanwhile. */
function readScenario(name: string, summary: string, outcome: string, taggedShare: number): LoadScenario {
  return {
    name,
    summary,
    takes: CLOSED_OPTIONS,
    plan(options) {
      const model = closedModel(options, 15);
      const sale = limitlessSale(TOTAL);
      return {
        sale,
        opensInMs: 0,
        isSoldOutBefore: true,
        model,
        traffic: { ...PLAIN_TRAFFIC, browseShare: 1, taggedShare },
        warmUpMs: warmUpOf(model.durationMs),
        limits: { errorRate: 0.001 },
      };
    },
    expect: ({ window: { answered, outcomes } }) =>
      answered === (outcomes[outcome] ?? 0)
        ? []
        : [`a sale that does not change was read otherwise: ${JSON.stringify(outcomes)}`],
  };
}

export const read = readScenario(
  'read',
  'saturation: readings of a sale a second (closed model)',
  'browsed',
  0,
);

export const readUnchanged = readScenario(
  'read-unchanged',
  'saturation: readings that name the tag of the last answer, and are answered 304 (closed model)',
  'unchanged',
  1,
);
