/** Texts that stand in one place alone, so that one that is found says where it was sent. */
export class Marks {
  /** The places by what was sent there. */
  readonly places = new Map<string, string>();

  of(place: string): string {
    const value = `MARK${this.places.size}x${place.replaceAll(/[^a-z]/gi, '')}`;
    this.places.set(value, place);
    return value;
  }
}

/** A contact whose fields are as short as the contract wants them. */
export function contactOf(marks: Marks): Record<string, string> {
  return Object.fromEntries(
    ['name', 'phone', 'note', 'person'].map((place) => [
      place === 'person' ? 'pickupPerson' : place,
      marks.of(place),
    ]),
  );
}
