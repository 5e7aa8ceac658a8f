/** The query as the client sent it, with its question mark; '' when there is none. */
export function queryOf(url: string): string {
  const question = url.indexOf('?');
  return question === -1 ? '' : url.slice(question);
}
