/** What a comparison measures, one value a round, in the order of the rounds. */
export class Samples {
  readonly values: Record<string, number[]> = {};
  /** µs of CPU per answer, by side and process. */
  readonly cpuUs: Record<string, Record<string, number[]>> = {};
  /** What sold wrong: the side or figure, and what was wrong with it. */
  readonly findings: string[] = [];
  readonly notes: string[] = [];

  add(name: string, value: number): void {
    (this.values[name] ??= []).push(value);
  }

  addCpu(side: string, use: Record<string, number>): void {
    const processes = (this.cpuUs[side] ??= {});
    for (const [name, value] of Object.entries(use)) (processes[name] ??= []).push(value);
  }

  get(name: string): number[] {
    return this.values[name] ?? [];
  }
}
