import { InstantInput, parseInstant, Reference } from '@seckill/contracts';
import { fitting, UsageError, wholeNumber, words, type Option } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

/** Rows of a list unless `--limit` says otherwise. */
export const LIMIT_DEFAULT = 100;
/** No person reads a longer list. `--cursor` goes on from here. */
export const LIMIT_MAX = 10_000;

const instantInput = Compile(InstantInput);

export const instant: Option<Date> = {
  isFlag: false,
  read: (text) => {
    const at = instantInput.Check(text) ? parseInstant(text) : undefined;
    if (at === undefined) throw new UsageError('must be an instant such as 2026-11-22T12:00:00Z');
    return new Date(at);
  },
};

/** A page of a list, by time. */
export const PAGE_OPTIONS = {
  since: instant,
  until: instant,
  limit: wholeNumber(1, LIMIT_MAX),
  cursor: words,
};

export const reference = fitting(Reference, '1 to 200 characters of one line');

const ID = /^[1-9]\d{0,17}$/;

/** @throws UsageError for what is no id of a list. */
export function readId(text: string | undefined): string {
  if (text !== undefined && ID.test(text)) return text;
  throw new UsageError(`expected an id as list shows it, met ${text ?? 'nothing'}`);
}

/** @throws UsageError for an option that the command does not heed. */
export function refuseOthers(command: string, values: Record<string, unknown>, heeded: string[]): void {
  const stray = Object.keys(values).find((name) => ![...heeded, 'json', 'name'].includes(name));
  if (stray !== undefined) throw new UsageError(`${command} takes no --${stray}`);
}
