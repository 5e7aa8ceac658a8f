// Goal: when several outcomes apply, reserve.lua returns the first of its header's list, which is the
// order of the table in docs/http-api.md. A sale has one state at a time, closed before paused before not
// open, because "paused" and "not open" tell the client to repeat, which is untrue of a sale that is
// closed or over. Method: each outcome is a patch of one scenario; for every pair that can exist together
// both patches are applied, and the earlier outcome must come back, with the lane untouched.
import t from 'tap';
import {
  connect,
  FUTURE,
  makeControl,
  openLane,
  PAST,
  type ControlPatch,
  type Request,
} from './support/lane.ts';

interface Scenario {
  /** A first reservation under the request's key. */
  isSeeded: boolean;
  /** The buyer's first hold was under another key, and was cancelled. */
  hasCancelled: boolean;
  /** The total of item `b`. */
  step: number | undefined;
  control: ControlPatch;
  request: Request & { lines: NonNullable<Request['lines']> };
}

interface Outcome {
  name: string;
  answer: string;
  patch: (scenario: Scenario) => void;
}

const OUTCOMES: Outcome[] = [
  { name: 'overloaded', answer: 'overloaded', patch: ({ request }) => (request.outboxCountMax = 0) },
  { name: 'sale_unavailable', answer: 'sale_unavailable', patch: ({ request }) => (request.runId = 'other') },
  // Stock tells a replay from a reused key (services/stock/test/app.test.ts).
  { name: 'known', answer: 'known', patch: (scenario) => (scenario.isSeeded = true) },
  // A sale is in one state: a closed sale is not paused, and a paused sale is not waiting to open.
  { name: 'sale_closed by hand', answer: 'sale_closed', patch: ({ control }) => (control.state = 'closed') },
  {
    name: 'sale_closed by time',
    answer: 'sale_closed',
    patch: ({ control }) => (control.closesAt = PAST + 1),
  },
  { name: 'sale_paused', answer: 'sale_paused', patch: ({ control }) => (control.state = 'paused') },
  { name: 'sale_not_open', answer: 'sale_not_open', patch: ({ control }) => (control.opensAt = FUTURE - 1) },
  { name: 'sku_not_found', answer: 'sku_not_found', patch: ({ request }) => request.lines.push(['zz', 1]) },
  {
    name: 'channel_not_found',
    answer: 'channel_not_found',
    patch: ({ request }) => (request.channel = 'zz'),
  },
  {
    name: 'quantity_not_allowed',
    answer: 'quantity_not_allowed',
    // This must hold whatever the other patch does to the items.
    patch: (scenario) => (scenario.step = 4),
  },
  {
    name: 'item_paused',
    answer: 'item_paused',
    patch: ({ control }) => {
      control.items = [
        { sku: 'a', price: 2_990, total: 3 },
        { sku: 'b', price: 10, total: 100, paused: true },
      ];
    },
  },
  { name: 'sold_out', answer: 'sold_out', patch: ({ request }) => request.lines.push(['a', 4]) },
  { name: 'limit_reached', answer: 'limit_reached', patch: ({ control }) => (control.limitPerBuyer = 1) },
  {
    name: 'holds_exceeded',
    answer: 'holds_exceeded',
    patch: (scenario) => {
      scenario.hasCancelled = true;
      scenario.control.holdsPerBuyerMax = 1;
    },
  },
  {
    name: 'rejoin_later',
    answer: 'rejoin_later',
    patch: (scenario) => {
      scenario.hasCancelled = true;
      scenario.control.rejoinMs = 60_000;
    },
  },
  {
    name: 'channel_full',
    answer: 'channel_full',
    patch: ({ control, request }) => {
      control.channels = [{ id: 'x', cap: 1 }];
      request.channel = 'x';
    },
  },
];

/** Pairs that cannot exist together, because they say two things about one fact. */
const IMPOSSIBLE = new Set(['sale_closed by hand & sale_paused', 'channel_not_found & channel_full']);

const redis = await connect(t);

for (const [index, first] of OUTCOMES.entries()) {
  for (const second of OUTCOMES.slice(index)) {
    const name = first === second ? first.name : `${first.name} & ${second.name}`;
    if (IMPOSSIBLE.has(name)) continue;
    await t.test(`${name}: ${first.answer}`, async (t) => {
      const lane = await openLane(t, {}, [], redis);
      const scenario: Scenario = {
        isSeeded: false,
        hasCancelled: false,
        step: undefined,
        control: { version: 2 },
        request: { key: 'k', lines: [['b', 2]] },
      };
      first.patch(scenario);
      if (second !== first) second.patch(scenario);
      if (scenario.isSeeded) {
        t.equal((await lane.reserve({ key: 'k', lines: [['b', 2]] }))[0], 'reserved');
      }
      if (scenario.hasCancelled) await lane.settle(await lane.hold({ lines: [['b', 1]] }), 'cancelled');
      const { step, control } = scenario;
      if (step !== undefined) {
        const items = control.items ?? makeControl('any').items;
        control.items = items.map((item) => (item.sku === 'b' ? { ...item, step } : item));
      }
      t.equal((await lane.control(control))[0], 'applied');
      const before = await lane.dump();
      const [answer] = await lane.reserve(scenario.request);
      t.equal(answer, first.answer);
      t.same(await lane.dump(), before, 'a rejected request writes nothing');
    });
  }
}
