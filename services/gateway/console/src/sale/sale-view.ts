import { ApiError, call } from '../page/api.ts';
import type { Change, Item, Page, Sale } from '../page/answers.ts';
import { textOfCode } from '../page/codes.ts';
import {
  alertBox,
  attempt,
  button,
  card,
  cards,
  element,
  renew,
  section,
  table,
  type View,
} from '../page/dom.ts';
import { say, sayIfKnown, textOf, timeOf } from '../page/words.ts';
import { board } from './board.ts';
import { BurnDown } from './burn-down.ts';
import { readExplanation } from './explain.ts';
import { readHealth } from './health.ts';
import { readHolds } from './holds.ts';
import { itemsTable, sum } from './items.ts';
import { Outcomes } from './outcomes.ts';
import { SaleNews } from './sale-news.ts';
import { SALE_VERBS, Steering, type SaleVerb } from './steering.ts';

/** The audit asks three engines, so it is asked seldom. */
const LOOK_MS = 10_000;
const OUTCOMES_MS = 2_000;

/** One sale, live by its events, with what an operator may do to it. */
export function saleView(saleId: string): View {
  const path = `/v1/sales/${encodeURIComponent(saleId)}`;
  const chart = new BurnDown();
  const outcomes = new Outcomes(path);
  const place = (): HTMLElement => element('div');
  const parts = {
    head: place(),
    counts: place(),
    items: place(),
    explain: place(),
    outcomes: place(),
    holds: place(),
    health: place(),
    changes: place(),
  };
  const problem = alertBox();
  const news = element('p', { role: 'status', class: 'quiet' }, say('loading'));
  let items: Item[] = [];
  /** The sale's, as it was seen: what an operator decides is decided about this one. */
  let version = 0;
  /** What the server's clock is ahead of ours. */
  let aheadMs = 0;

  /** What was done shows at once, and so does what it means for the sale. */
  async function afterStep(): Promise<void> {
    await refresh();
    look();
  }

  const steering = new Steering(path, {
    version: () => version,
    afterStep,
    // What the other one did is shown behind the dialog.
    onConflict: () => void attempt(problem, afterStep),
    onTakenOut: (sku, units) => {
      news.textContent = `${sku}: ${units} ${say('takenOut')}`;
    },
  });

  function showCounts({ state, items: shown, serverTime }: Pick<Sale, 'state' | 'items' | 'serverTime'>) {
    items = shown;
    aheadMs = Date.parse(serverTime) - Date.now();
    chart.add(sum(items, 'available'), sum(items, 'held'));
    const names = ['total', 'available', 'held', 'paid'] as const;
    parts.counts.replaceChildren(
      cards(
        card(say('state'), sayIfKnown(state)),
        ...names.map((name) => card(say(name), String(sum(items, name)))),
        card(say('rate'), chart.takenPerSecond().toFixed(1)),
      ),
    );
    renew(
      parts.items,
      itemsTable(items, (verb, sku) => {
        steering.askItem(verb, sku);
      }),
    );
  }

  async function refresh(): Promise<void> {
    const sale = await call<Sale>('GET', path);
    version = Math.max(version, sale.version);
    renew(
      parts.head,
      ...headOf(sale, (verb) => {
        steering.ask(verb);
      }),
    );
    showCounts(sale);
    const { data } = await call<Page<Change>>('GET', `${path}/changes?limit=20`);
    renew(parts.changes, changesTable(data));
  }

  /** Each part by itself: what one of them cannot read leaves the others as they are. */
  const look = (): void => {
    const readings = [
      [parts.explain, () => readExplanation(path)],
      [parts.holds, () => readHolds(path, Date.now() + aheadMs)],
      [parts.health, () => readHealth(path)],
    ] as const;
    for (const [part, read] of readings) void show(part, read);
  };
  const lookAtOutcomes = (): void => void show(parts.outcomes, () => outcomes.read());

  const listening = new SaleNews(`${path}/events?counts=true`, news, {
    onSale(sale) {
      version = Math.max(version, sale.version);
      showCounts(sale);
      void attempt(problem, refresh);
    },
    onCounts(counts) {
      // Later events have counts alone, without texts and whether an item is paused.
      const merged = counts.items.map((item) => ({ ...items.find(({ sku }) => sku === item.sku), ...item }));
      showCounts({ ...counts, items: merged });
    },
    onAgain: () => void attempt(problem, refresh),
  });
  void attempt(problem, refresh);
  look();
  lookAtOutcomes();
  const timers = [setInterval(look, LOOK_MS), setInterval(lookAtOutcomes, OUTCOMES_MS)];

  return {
    content: [
      parts.head,
      news,
      problem,
      parts.counts,
      section(say('burnDown'), chart.box),
      section(say('items'), parts.items),
      section(say('explain'), parts.explain),
      section(say('outcomes'), parts.outcomes),
      section(say('pendingHolds'), parts.holds),
      section(say('board'), board(path)),
      section(say('invariants'), parts.health),
      section(say('changes'), parts.changes),
    ],
    leave() {
      listening.end();
      for (const timer of timers) clearInterval(timer);
      chart.end();
    },
  };
}

function headOf(sale: Sale, ask: (verb: SaleVerb) => void): HTMLElement[] {
  const acts = SALE_VERBS.map((verb) =>
    button(say(verb), () => {
      ask(verb);
    }),
  );
  const edit = element('a', { href: `#/edit/${encodeURIComponent(sale.id)}` }, say('editIt'));
  return [
    element('h1', {}, textOf(sale.title)),
    element('p', { class: 'quiet' }, `${sale.id} · ${timeOf(sale.opensAt)} – ${timeOf(sale.closesAt)}`),
    element('p', { class: 'row' }, ...acts, edit),
  ];
}

function changesTable(changes: Change[]): HTMLElement {
  const rows = changes.map(({ at, by, action, reason = '' }) => [timeOf(at), by, textOfCode(action), reason]);
  return table(say('changes'), [say('at'), say('by'), say('action'), say('reason')], rows);
}

/** Nobody looks at a page that is hidden. */
async function show(place: HTMLElement, read: () => Promise<HTMLElement>): Promise<void> {
  if (document.hidden) return;
  try {
    renew(place, await read());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    renew(place, element('p', { class: 'bad' }, error.message));
  }
}
