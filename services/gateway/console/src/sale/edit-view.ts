import { ApiError, call } from '../page/api.ts';
import type { Sale } from '../page/answers.ts';
import { alertBox, attempt, button, element, hint, type View } from '../page/dom.ts';
import { replaceContent } from '../page/focus.ts';
import { jsonForm } from '../page/json-form.ts';
import { say, textOf } from '../page/words.ts';

/** What `PATCH` takes, besides the reason. */
const EDITABLE = [
  'title',
  'description',
  'image',
  'metadata',
  'opensAt',
  'closesAt',
  'holdSeconds',
  'limitPerBuyer',
  'channels',
] as const;

type Body = Record<string, unknown>;

/** Edits a sale as JSON. The version that was read goes along, so that nobody undoes what another one did. */
export function editView(saleId: string): View {
  const path = `/v1/sales/${encodeURIComponent(saleId)}`;
  const place = element('div');
  const problem = alertBox();

  const load = (): Promise<void> =>
    attempt(problem, async () => {
      const sale = await call<Sale & Body>('GET', path);
      const before: Body = Object.fromEntries(
        EDITABLE.filter((name) => sale[name] !== undefined).map((name) => [name, sale[name]]),
      );
      const form = jsonForm(say('saleJson'), say('save'), before, (edited) => save(sale, before, edited));
      replaceContent(
        place,
        hint(`${textOf(sale.title)} · ${saleId} · ${say('version')} ${sale.version}`),
        hint(say('editHint')),
        form,
      );
    });

  async function save({ version }: Sale, before: Body, edited: unknown): Promise<void> {
    const body = changesOf(before, edited);
    if (body !== undefined && Object.keys(body).length === 0) {
      throw new ApiError(0, '', say('nothingChanged'));
    }
    try {
      // What is no object is refused by the API, in its own words.
      await call('PATCH', path, { body: body ?? edited, version });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'version_conflict') throw error;
      place.append(
        element(
          'p',
          {},
          button(say('loadAnew'), () => void load()),
        ),
      );
      throw new ApiError(error.status, error.code, `${error.message} · ${say('changedMeanwhile')}`);
    }
    location.hash = `#/sales/${encodeURIComponent(saleId)}`;
  }

  void load();
  return { content: [element('h1', {}, say('editIt')), problem, place] };
}

/** @returns what differs; undefined when it is no object. */
function changesOf(before: Body, edited: unknown): Body | undefined {
  if (typeof edited !== 'object' || edited === null || Array.isArray(edited)) return undefined;
  return Object.fromEntries(
    Object.entries(edited as Body).filter(
      ([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]),
    ),
  );
}
