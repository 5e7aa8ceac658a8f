import uPlot from 'uplot';
import { element } from '../page/dom.ts';
import { say } from '../page/words.ts';

/** Events come four times a second, so these points are an hour. */
const POINTS_MAX = 14_400;
const HEIGHT = 240;

/**
 * Draws available and held units against time. The figures stand beside the chart as text, for those who
 * cannot see it.
 */
export class BurnDown {
  readonly box: HTMLElement;
  readonly #place = element('div');
  readonly #times: number[] = [];
  readonly #available: number[] = [];
  readonly #held: number[] = [];
  #plot: uPlot | undefined;

  constructor() {
    this.box = element('figure', { role: 'img', 'aria-label': say('burnDownText') }, this.#place);
  }

  add(available: number, held: number): void {
    const now = Date.now() / 1_000;
    this.#times.push(now);
    this.#available.push(available);
    this.#held.push(held);
    if (this.#times.length > POINTS_MAX)
      for (const one of [this.#times, this.#available, this.#held]) one.shift();
    this.#plot ??= this.#draw();
    // A phone was turned, or a window was made narrower.
    if (this.#plot.width !== this.#width()) this.#plot.setSize({ width: this.#width(), height: HEIGHT });
    this.#plot.setData([this.#times, this.#available, this.#held]);
  }

  /** Units that were taken a second, on average over the last seconds. */
  takenPerSecond(seconds = 5): number {
    const last = this.#times.length - 1;
    const from = this.#times.findIndex((time) => time >= (this.#times[last] ?? 0) - seconds);
    const span = (this.#times[last] ?? 0) - (this.#times[from] ?? 0);
    if (span <= 0) return 0;
    return Math.max(0, (this.#available[from] ?? 0) - (this.#available[last] ?? 0)) / span;
  }

  end(): void {
    this.#plot?.destroy();
  }

  #width(): number {
    return Math.max(280, this.box.clientWidth);
  }

  #draw(): uPlot {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name);
    // A canvas does not know light-dark().
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
    const pick = (name: string): string =>
      /light-dark\(([^,]+),\s*([^)]+)\)/.exec(colour(name))?.[isDark ? 2 : 1]?.trim() ?? colour(name);
    const axis = {
      stroke: pick('--quiet'),
      grid: { stroke: pick('--line') },
      ticks: { stroke: pick('--line') },
    };
    return new uPlot(
      {
        width: this.#width(),
        height: HEIGHT,
        legend: { show: true, live: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high)] } },
        axes: [axis, axis],
        series: [
          {},
          { label: say('available'), stroke: pick('--accent'), width: 2 },
          { label: say('held'), stroke: pick('--bad'), width: 2, dash: [6, 4] },
        ],
      },
      [this.#times, this.#available, this.#held],
      this.#place,
    );
  }
}
