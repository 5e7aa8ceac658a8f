type Labels = Partial<Record<string, string | number>>;

/** A counter or gauge of prom-client. */
interface Readable {
  get(): Promise<{ values: { value: number; labels: Labels }[] }>;
}

/** The values by their labels, joined with a space. The key of a value without labels is ''. */
export async function valuesOf(counter: Readable): Promise<Record<string, number>> {
  const { values } = await counter.get();
  return Object.fromEntries(
    values.map(({ value, labels }) => [Object.values(labels).map(String).join(' '), value]),
  );
}

/** The value for one label value. The value is 0 when the counter never counted that label. */
export async function countOf(counter: Readable, label: string): Promise<number> {
  const { values } = await counter.get();
  return values.find(({ labels }) => Object.values(labels).includes(label))?.value ?? 0;
}
