/**
 * A resource as the chart writes it: the base's, with what components add, change and take away under their
 * conditions, and expressions of Helm in place of values.
 */

export type Value = string | number | boolean | null | undefined | Value[] | Fields | Expression;

export interface Fields {
  [key: string]: Value;
}

/** Text of Helm's template language, in the place of a value. */
export class Expression {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/**
 * A value that the last component gives which is on, and the base where none is. The value is absent where a
 * component takes it away.
 */
export interface Choice {
  /** Undefined where the base has nothing. */
  base: Tree | undefined;
  given: { component: string; tree: Tree }[];
  /** Names of components. */
  taken: string[];
}

/** An element of a list. `unless` names the components that take it away, `when` the one that adds it. */
export interface Element {
  tree: Tree;
  when?: string;
  unless: string[];
}

export type Tree =
  { plain: Value } | { fields: [key: string, tree: Tree][] } | { elements: Element[] } | { choice: Choice };

/** What a component makes of a value; undefined when nothing is left. */
export interface Variant {
  component: string;
  value: Value;
}

export const isSame = (one: Value, other: Value): boolean => JSON.stringify(one) === JSON.stringify(other);

export const isFields = (value: Value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Expression);

function mergeFields(base: Fields, variants: { component: string; value: Fields }[]): Tree {
  const keys = new Set([base, ...variants.map(({ value }) => value)].flatMap((one) => Object.keys(one)));
  const fields = [...keys].map((key): [string, Tree] => {
    const changed = variants.map(({ component, value }) => ({ component, value: value[key] }));
    return [key, merge(base[key], changed)];
  });
  return { fields };
}

interface Alignment {
  component: string;
  /** For each element of the base: what became of it, undefined when it is gone. */
  kept: Value[];
  added: Value[];
}

/** Components take elements away, change elements in their place, and add elements at the end. */
function align(base: Value[], component: string, list: Value[]): Alignment {
  const rest = [...list];
  const kept = base.map((element, index) => {
    const next = rest[0];
    if (next === undefined) return undefined;
    const isLater = base.slice(index + 1).some((one) => isSame(one, next));
    const isChange = isFields(next) && isFields(element) && !isLater;
    return isSame(element, next) || isChange ? rest.shift() : undefined;
  });
  return { component, kept, added: rest };
}

function mergeLists(base: Value[], variants: { component: string; value: Value[] }[]): Tree {
  const alignments = variants.map(({ component, value }) => align(base, component, value));
  const elements = base.map((element, index): Element => {
    const present = alignments.filter(({ kept }) => kept[index] !== undefined);
    const absent = alignments.filter(({ kept }) => kept[index] === undefined);
    const changed = present.map(({ component, kept }) => ({ component, value: kept[index] }));
    return { tree: merge(element, changed), unless: absent.map(({ component }) => component) };
  });
  const added = alignments.flatMap((one) =>
    one.added.map((value): Element => ({ tree: { plain: value }, when: one.component, unless: [] })),
  );
  return { elements: [...elements, ...added] };
}

/** The base's value and what each component makes of it, as one. */
export function merge(base: Value, variants: Variant[]): Tree {
  const changed = variants.filter(({ value }) => !isSame(value, base));
  if (changed.length === 0) return { plain: base };
  if (
    isFields(base) &&
    changed.every((one): one is { component: string; value: Fields } => isFields(one.value))
  )
    return mergeFields(base, changed);
  const isList = (one: Variant): one is { component: string; value: Value[] } => Array.isArray(one.value);
  if (Array.isArray(base) && changed.every(isList)) return mergeLists(base, changed);
  return { choice: choose(base === undefined ? undefined : { plain: base }, changed) };
}

function choose(base: Tree | undefined, variants: Variant[]): Choice {
  const given = variants.filter(({ value }) => value !== undefined);
  const taken = variants.filter(({ value }) => value === undefined);
  return {
    base,
    given: given.map(({ component, value }) => ({ component, tree: { plain: value } })),
    taken: taken.map(({ component }) => component),
  };
}
