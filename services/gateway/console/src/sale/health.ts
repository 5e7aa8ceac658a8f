import { call } from '../page/api.ts';
import type { Audit } from '../page/answers.ts';
import { textOfCode } from '../page/codes.ts';
import { card, cards, element, table } from '../page/dom.ts';
import { say, sayIfKnown } from '../page/words.ts';

/** The invariants, and what is on its way between the engines: how far orders lag behind reservations. */
export async function readHealth(path: string): Promise<HTMLElement> {
  const { invariants, findings, inFlight } = await call<Audit>('GET', `${path}/audit`);
  const names = ['outbox', 'kafkaLag', 'orderOutbox', 'deadLetters'] as const;
  const rows = Object.entries(invariants).map(([name, verdict]) => {
    const kind = verdict === 'broken' ? 'bad' : verdict === 'holds' ? 'good' : 'quiet';
    return [`${name} ${textOfCode(name)}`, element('span', { class: kind }, sayIfKnown(verdict))];
  });
  const found = findings.map((finding) => element('li', {}, finding));
  return element(
    'div',
    {},
    cards(...names.map((name) => card(say(name), String(inFlight[name])))),
    table(say('invariants'), [say('invariants'), say('state')], rows),
    ...(found.length === 0 ? [] : [element('ul', {}, ...found)]),
  );
}
