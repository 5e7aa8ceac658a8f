/** What a client sends by mistake, with a marker of its own in each place that it can fill. */
import type { Call, Operation } from '../client/problems/calls.ts';
import { contactOf, type Marks } from './marks.ts';

const authorization = (text: string): Record<string, string> => ({ authorization: text });

function withoutToken(marks: Marks, buyer: string): Record<string, string>[] {
  const basic = Buffer.from(`u:${marks.of('Basic, decoded')}`).toString('base64');
  marks.places.set(basic, 'Basic, as it is sent');
  return [
    authorization(`Bearer ${marks.of('no token')}`),
    authorization(`Bearer ${buyer.slice(0, -4)}${marks.of('token of another signature')}`),
    authorization(`Basic ${basic}`),
    authorization(marks.of('no scheme')),
  ];
}

/** Bodies that the schema refuses, or that no parser takes. */
function wrongBodies(marks: Marks, well: Call): Call[] {
  const right = well.body as object;
  const body = { ...right, [marks.of('name of a field')]: marks.of('field') };
  const types = Object.keys(body).map((name) => [name, marks.of(`type of ${name}`)]);
  const contact = { ...contactOf(marks), [marks.of('field of a contact')]: marks.of('contact') };
  const type = { 'content-type': `text/${marks.of('type of content')}` };
  return [
    { ...well, body },
    { ...well, body: Object.fromEntries(types) as object },
    { ...well, body: { ...right, contact, userId: marks.of('userId') } },
    { ...well, raw: marks.of('no JSON') },
    { ...well, raw: `{"reason":"${marks.of('broken JSON')}` },
    { ...well, headers: { ...well.headers, ...type }, raw: marks.of('another type') },
  ];
}

/**
 * Every way in which we know to spoil a call of the operation.
 * @param options.stranger a token of another user.
 */
export function wrongCalls(
  { parameters, security, hasBody }: Operation,
  well: Call,
  { marks, buyer, stranger }: { marks: Marks; buyer: string; stranger: string },
): Call[] {
  const at = well.at ?? {};
  const named = (place: string) => parameters.filter((one) => one.in === place).map(({ name }) => name);
  const query = named('query').map((name) => `${name}=${marks.of(`query ${name}`)}`);
  const headers = named('header').map((name) => [name.toLowerCase(), marks.of(name)]);
  const wrong: Call[] = [
    { ...well, at: Object.fromEntries(Object.keys(at).map((name) => [name, marks.of(`path ${name}`)])) },
    { ...well, at: { ...at, saleId: `%${marks.of('malformed path')}`, orderId: `%FF${marks.of('bytes')}` } },
    { ...well, query: `?${query.join('&')}` },
    { ...well, headers: { ...well.headers, ...(Object.fromEntries(headers) as Record<string, string>) } },
    { ...well, headers: { ...well.headers, traceparent: marks.of('traceparent') } },
  ];
  if (hasBody) wrong.push(...wrongBodies(marks, well));
  if (security.length === 0) return wrong;
  const strangers = withoutToken(marks, buyer).map((one) => ({ ...well, token: undefined, headers: one }));
  return [...wrong, ...strangers, { ...well, token: stranger }];
}
