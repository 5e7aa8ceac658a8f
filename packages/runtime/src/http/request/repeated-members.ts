const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];

/**
 * Whether an object of this JSON names a member twice. `JSON.parse` keeps the last one, other parsers the
 * first, and a caller who sent two quantities meant one of them: nobody can tell which.
 * @param text what `value` was parsed from
 */
export function hasRepeatedMembers(text: string, value: unknown): boolean {
  // Outside of strings a colon stands behind the name of a member and nowhere else.
  return countColons(text) !== countMembers(value);
}

function countColons(text: string): number {
  let count = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) isInString = !isInString;
    else if (code === BACKSLASH) index += 1;
    else if (code === COLON && !isInString) count += 1;
  }
  return count;
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, each) => sum + countMembers(each), own);
}
