/** A member of an object, as it is written. */
export interface Member {
  /** The very characters of a number, a string, true, false or null. */
  text: string;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
/** What we read of a notice lies three objects deep. */
const DEPTH_MAX = 3;

interface Open {
  isObject: boolean;
  /**
   * Names of the members that lead here, joined by dots. The path is undefined in an array, and where the
   * value is too deep to be asked for.
   */
  path: string | undefined;
  /** The name of the member whose value comes next. */
  name: string | undefined;
}

/**
 * Finds the members of objects by their path, each as often as it stands. JSON.parse keeps the last of two
 * and tells nobody, and makes one number of different texts.
 * @param text that JSON.parse has accepted.
 */
export function scanJson(text: string): Map<string, Member[]> {
  const members = new Map<string, Member[]>();
  const open: Open[] = [];
  for (const [token] of text.matchAll(TOKEN)) {
    const parent = open.at(-1);
    if (token === '}' || token === ']') {
      open.pop();
    } else if (token === ',') {
      if (parent !== undefined) parent.name = undefined;
    } else if (token !== ':' && parent?.isObject === true && parent.name === undefined) {
      parent.name = String(JSON.parse(token));
    } else if (token !== ':') {
      const path = pathOf(parent);
      if (path !== undefined) {
        const known = members.get(path);
        if (known === undefined) members.set(path, [{ text: token }]);
        else known.push({ text: token });
      }
      if (token === '{' || token === '[') {
        const isDeep = open.length >= DEPTH_MAX;
        open.push({
          isObject: token === '{',
          path: token === '{' && !isDeep ? path : undefined,
          name: undefined,
        });
      }
    }
  }
  return members;
}

/** The path of the value that begins now. The path of the whole document is ''. */
function pathOf(parent: Open | undefined): string | undefined {
  if (parent === undefined) return '';
  if (!parent.isObject || parent.path === undefined || parent.name === undefined) return undefined;
  // A name with a dot would look like two, an empty one like none.
  if (parent.name === '' || parent.name.includes('.')) return undefined;
  return parent.path === '' ? parent.name : `${parent.path}.${parent.name}`;
}
