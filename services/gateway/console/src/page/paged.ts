import type { Page } from './answers.ts';
import { alertBox, attempt, button, element, hint, table } from './dom.ts';
import { replaceContent } from './focus.ts';
import { say } from './words.ts';

/** A table of a list that the API answers page by page. */
export interface Paged {
  box: HTMLElement;
  /** Reads the list anew, from its first page. */
  load: (path: string, query: Record<string, string>) => Promise<void>;
}

/** @param ask gets a page from the API. */
export function paged<Row>(
  label: string,
  heads: string[],
  ask: (path: string) => Promise<Page<Row>>,
  toCells: (row: Row) => (Node | string)[],
): Paged {
  const place = element('div');
  const problem = alertBox();
  let rows: Row[] = [];
  let asked = 0;

  async function read(path: string, query: Record<string, string>, cursor?: string): Promise<void> {
    asked += 1;
    const turn = asked;
    const known = Object.entries({ ...query, ...(cursor === undefined ? {} : { cursor }) });
    const text = new URLSearchParams(known.filter(([, value]) => value !== '')).toString();
    const { data, nextCursor } = await ask(`${path}?${text}`);
    // A later question has been asked meanwhile.
    if (turn !== asked) return;
    rows = cursor === undefined ? data : [...rows, ...data];
    const more = button(say('more'), () => void attempt(problem, () => read(path, query, nextCursor)));
    replaceContent(
      place,
      rows.length === 0 ? hint(say('none')) : table(label, heads, rows.map(toCells)),
      ...(nextCursor === undefined ? [] : [element('p', {}, more)]),
    );
  }

  return {
    box: element('div', {}, problem, place),
    load(path, query) {
      place.replaceChildren(hint(say('loading')));
      return attempt(problem, async () => {
        try {
          await read(path, query);
        } catch (error) {
          place.replaceChildren();
          throw error;
        }
      });
    },
  };
}
