/** Cuts a list into parts of at most so many items, in their order. */
export function chunksOf<Item>(items: readonly Item[], countMax: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / countMax) }, (_, index) =>
    items.slice(index * countMax, (index + 1) * countMax),
  );
}
