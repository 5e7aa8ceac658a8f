import { ApiError, call } from '../page/api.ts';
import type { Change, Item, Page, Sale } from '../page/answers.ts';
import { askFirst, QUANTITY, REASON } from '../page/ask.ts';
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
import { randomHex } from '../page/random.ts';
import { say, sayIfKnown, textOf, timeOf } from '../page/words.ts';
import { board } from './board.ts';
import { BurnDown } from './burn-down.ts';
import { readExplanation } from './explain.ts';
import { readHealth } from './health.ts';
import { readHolds } from './holds.ts';
import { itemsTable, sum, type ItemVerb } from './items.ts';
import { Outcomes } from './outcomes.ts';
import { SaleNews } from './sale-news.ts';

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

  /** @param seen the version at which the operator was asked. @throws ApiError */
  async function change<Answer>(
    end: string,
    seen: number,
    given: { body: object; key?: string },
  ): Promise<Answer> {
    try {
      return await call<Answer>('POST', `${path}${end}`, { ...given, version: seen });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'version_conflict') throw error;
      // What the other one did is shown behind the dialog.
      void attempt(problem, afterStep);
      throw new ApiError(error.status, error.code, `${error.message} · ${say('steeredMeanwhile')}`);
    }
  }

  function steer(verb: 'pause' | 'resume' | 'close'): void {
    const seen = version;
    askFirst(say(verb), { reason: REASON() }, async ({ reason }) => {
      await change(`/${verb}`, seen, { body: reason === '' ? {} : { reason } });
      await afterStep();
    });
  }

  function steerItem(verb: ItemVerb, sku: string): void {
    const end = `/items/${encodeURIComponent(sku)}/${verb}`;
    const seen = version;
    const what = `${say(verb)} ${sku}`;
    const given = (reason: string): object => (reason === '' ? {} : { reason });
    if (verb === 'pause' || verb === 'resume') {
      askFirst(what, { reason: REASON() }, async ({ reason }) => {
        await change(end, seen, { body: given(reason) });
        await afterStep();
      });
      return;
    }
    // One dialog changes the units once, however often it is confirmed.
    const key = randomHex(16);
    askFirst(what, { quantity: QUANTITY(), reason: REASON() }, async ({ quantity, reason }) => {
      const units = verb === 'adjust' ? -Number(quantity) : Number(quantity);
      const { adjusted } = await change<{ adjusted?: number }>(end, seen, {
        body: { quantity: units, ...given(reason) },
        key,
      });
      // What is held or paid is not taken, so it may be less than was asked.
      if (adjusted !== undefined) news.textContent = `${sku}: ${-adjusted} ${say('takenOut')}`;
      await afterStep();
    });
  }

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
    renew(parts.items, itemsTable(items, steerItem));
  }

  async function refresh(): Promise<void> {
    const sale = await call<Sale>('GET', path);
    version = Math.max(version, sale.version);
    const verbs = ['pause', 'resume', 'close'] as const;
    const acts = verbs.map((verb) =>
      button(say(verb), () => {
        steer(verb);
      }),
    );
    const edit = element('a', { href: `#/edit/${encodeURIComponent(saleId)}` }, say('editIt'));
    renew(
      parts.head,
      element('h1', {}, textOf(sale.title)),
      element('p', { class: 'quiet' }, `${saleId} · ${timeOf(sale.opensAt)} – ${timeOf(sale.closesAt)}`),
      element('p', { class: 'row' }, ...acts, edit),
    );
    showCounts(sale);
    const { data } = await call<Page<Change>>('GET', `${path}/changes?limit=20`);
    const changes = data.map(({ at, by, action, reason = '' }) => [
      timeOf(at),
      by,
      textOfCode(action),
      reason,
    ]);
    renew(
      parts.changes,
      table(say('changes'), [say('at'), say('by'), say('action'), say('reason')], changes),
    );
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
