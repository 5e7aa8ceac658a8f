import { call, type Audit, type Change, type Item, type Sale } from './api.ts';
import { BurnDown } from './burn-down.ts';
import { alertBox, askFirst, attempt, button, element, table, type View } from './dom.ts';
import { say, sayIfKnown, textOf, timeOf } from './words.ts';

/** The audit asks three engines, so it is asked seldom. */
const AUDIT_MS = 10_000;
/** The wait after a stream that was refused, because the gateway drains or has too many listeners. */
const LISTEN_AGAIN_MS = 5_000;

const sum = (items: Item[], count: 'total' | 'available' | 'held' | 'paid'): number =>
  // What a kit could be made of stands in its parts.
  items.reduce((all, item) => all + (item.components === undefined ? item[count] : 0), 0);

const card = (name: string, value: string): HTMLElement =>
  element('div', { class: 'card' }, element('span', { class: 'quiet' }, name), element('b', {}, value));

/** One sale, live by its events, with what an operator may do to it. */
export function saleView(saleId: string): View {
  const path = `/v1/sales/${encodeURIComponent(saleId)}`;
  const chart = new BurnDown();
  const place = (): HTMLElement => element('div');
  const parts = {
    head: place(),
    counts: place(),
    items: place(),
    channels: place(),
    audit: place(),
    changes: place(),
  };
  let items: Item[] = [];
  let isClosed = false;
  const problem = alertBox();
  const news = element('p', { role: 'status', class: 'quiet' }, say('loading'));

  function steer(what: string, end: string, withQuantity = false): void {
    const key = crypto.randomUUID();
    askFirst(
      what,
      async ({ reason, quantity }) => {
        const body = { ...(withQuantity ? { quantity } : {}), ...(reason === '' ? {} : { reason }) };
        await call('POST', `${path}/${end}`, { body, ...(withQuantity ? { key } : {}) });
        await refresh();
      },
      withQuantity,
    );
  }

  function itemRow({ sku, title, paused, components, ...counts }: Item): (Node | string)[] {
    const end = `items/${encodeURIComponent(sku)}`;
    const verb = paused === true ? 'resume' : 'pause';
    const acts = element(
      'span',
      { class: 'row' },
      ...(components !== undefined
        ? []
        : [
            button(say('restock'), () => {
              steer(`${say('restock')} ${sku}`, `${end}/restock`, true);
            }),
          ]),
      button(say(verb), () => {
        steer(`${say(verb)} ${sku}`, `${end}/${verb}`);
      }),
    );
    const numbers = [counts.total, counts.available, counts.held, counts.paid].map(String);
    return [`${textOf(title)} (${sku})`, ...numbers, acts];
  }

  function showCounts({ state, items }: Pick<Sale, 'state' | 'items'>): void {
    chart.add(sum(items, 'available'), sum(items, 'held'));
    const names = ['total', 'available', 'held', 'paid'] as const;
    parts.counts.replaceChildren(
      element(
        'div',
        { class: 'cards' },
        card(say('state'), sayIfKnown(state)),
        ...names.map((name) => card(say(name), String(sum(items, name)))),
        card(say('rate'), chart.takenPerSecond().toFixed(1)),
      ),
    );
  }

  function showItems(items: Item[]): void {
    // A button that is in use must not vanish under its user.
    if (parts.items.contains(document.activeElement)) return;
    const heads = [say('items'), say('total'), say('available'), say('held'), say('paid'), say('action')];
    parts.items.replaceChildren(table(say('items'), heads, items.map(itemRow)));
  }

  async function refresh(): Promise<void> {
    const sale = await call<Sale>('GET', path);
    const verbs = { pause: say('pause'), resume: say('resume'), close: say('close') };
    parts.head.replaceChildren(
      element('h1', {}, textOf(sale.title)),
      element('p', { class: 'quiet' }, `${saleId} · ${timeOf(sale.opensAt)} – ${timeOf(sale.closesAt)}`),
      element(
        'p',
        { class: 'row' },
        ...Object.entries(verbs).map(([verb, text]) =>
          button(text, () => {
            steer(text, verb);
          }),
        ),
      ),
    );
    isClosed = sale.state === 'closed';
    items = sale.items;
    showCounts(sale);
    showItems(items);
    const { channels = [] } = sale;
    const rows = channels.map(({ id, kind, title, partnerId = '', cap }) => [
      `${textOf(title)} (${id})`,
      kind,
      partnerId,
      String(cap ?? ''),
    ]);
    parts.channels.replaceChildren(
      ...(rows.length === 0
        ? [say('none')]
        : [table(say('channels'), [say('channels'), say('kind'), say('partner'), say('cap')], rows)]),
    );
    const { data } = await call<{ data: Change[] }>('GET', `${path}/changes?limit=20`);
    const changes = data.map(({ at, by, action, reason = '' }) => [timeOf(at), by, action, reason]);
    parts.changes.replaceChildren(
      table(say('changes'), [say('at'), say('by'), say('action'), say('reason')], changes),
    );
  }

  async function judge(): Promise<void> {
    const { invariants, findings } = await call<Audit>('GET', `${path}/audit`);
    const rows = Object.entries(invariants).map(([name, verdict]) => {
      const kind = verdict === 'broken' ? 'bad' : verdict === 'holds' ? 'good' : 'quiet';
      return [name, element('span', { class: kind }, sayIfKnown(verdict))];
    });
    const found = findings.map((finding) => element('li', {}, finding));
    parts.audit.replaceChildren(
      table(say('invariants'), [say('invariants'), say('state')], rows),
      ...(found.length === 0 ? [] : [element('ul', {}, ...found)]),
    );
  }

  let again: ReturnType<typeof setTimeout> | undefined;
  const onNews = (state: string, told: Item[]): void => {
    items = told;
    news.textContent = say('connected');
    showCounts({ state, items });
    showItems(items);
  };
  const onSale = ({ data }: MessageEvent<string>): void => {
    const sale = JSON.parse(data) as Sale;
    onNews(sale.state, sale.items);
    void attempt(problem, refresh);
  };
  const onCounts = ({ data }: MessageEvent<string>): void => {
    const sale = JSON.parse(data) as Pick<Sale, 'state' | 'items'>;
    // The first event has the whole sale, with the texts of each item and whether it is paused. Later events
    // have counts alone.
    const merged = sale.items.map((item) => ({ ...items.find(({ sku }) => sku === item.sku), ...item }));
    onNews(sale.state, merged);
  };
  function listen(): EventSource {
    const source = new EventSource(`${path}/events`);
    source.addEventListener('sale', onSale);
    source.addEventListener('counts', onCounts);
    source.addEventListener('error', () => {
      if (isClosed) {
        source.close();
        news.textContent = say('closed');
        return;
      }
      news.textContent = say('waiting');
      // A browser opens a stream that was cut off again by itself, and never one that was refused.
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(() => {
        void attempt(problem, refresh);
        events = listen();
      }, LISTEN_AGAIN_MS);
    });
    return source;
  }
  let events = listen();
  void attempt(problem, refresh);
  void attempt(problem, judge);
  const timer = setInterval(() => void attempt(problem, judge), AUDIT_MS);

  const part = (name: string, content: HTMLElement): HTMLElement =>
    element('section', {}, element('h2', {}, name), content);
  return {
    content: [
      parts.head,
      news,
      problem,
      parts.counts,
      part(say('burnDown'), chart.box),
      part(say('items'), parts.items),
      part(say('channels'), parts.channels),
      part(say('invariants'), parts.audit),
      part(say('changes'), parts.changes),
    ],
    leave() {
      events.close();
      clearTimeout(again);
      clearInterval(timer);
      chart.end();
    },
  };
}
