export interface Page<Entry> {
  data: Entry[];
  /** Where the next page goes on; absent: this is the last page. */
  nextCursor?: string;
}

/**
 * Cuts a page out of what was read of a list. The caller reads one entry more than it was asked for (`LIMIT
 * limit + 1`), which tells whether there is another page.
 * @param cursorOf names the place of an entry, behind which the next page begins.
 */
export function toPage<Entry>(
  entries: Entry[],
  limit: number,
  cursorOf: (last: Entry) => string,
): Page<Entry> {
  const data = entries.slice(0, limit);
  const last = data.at(-1);
  return { data, ...(entries.length > limit && last !== undefined ? { nextCursor: cursorOf(last) } : {}) };
}
