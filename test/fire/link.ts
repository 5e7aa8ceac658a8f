import { Pipes, type Choose } from '@seckill/testing';

/**
 * What can happen to a way. `cut`: every connection dies and none is accepted. `silence`: nothing comes
 * through. `swallow`: requests arrive, and their answers are lost. `lose`: the connections of this moment
 * stay half open for ever. `delay`: everything comes late. `reset`: the connections of this moment are reset.
 */
export const HURTS = ['cut', 'silence', 'swallow', 'lose', 'delay', 'reset'] as const;
export type Hurt = (typeof HURTS)[number];

/** The way from one part of the system to another. A link keeps its port, wherever it leads. */
export class Link {
  readonly name: string;
  readonly #pipes: Pipes;
  #port = 0;

  constructor(name: string, choose: Choose) {
    this.name = name;
    this.#pipes = new Pipes(choose);
  }

  /** @returns its port. */
  async open(): Promise<number> {
    this.#port = await this.#pipes.listen(this.#port);
    return this.#port;
  }

  /** @param delayMs in each direction, where something is delayed. */
  async hurt(how: Hurt, delayMs: number): Promise<void> {
    if (how === 'cut') await this.#pipes.close();
    if (how === 'silence') this.#pipes.silence();
    if (how === 'swallow') this.#pipes.swallow();
    if (how === 'lose') this.#pipes.lose();
    if (how === 'delay') this.#pipes.delay(delayMs);
    if (how === 'reset') this.#pipes.reset();
  }

  /** What was lost or reset is past; whoever was silenced has lost bytes, so its connection ends. */
  async mend(how: Hurt): Promise<void> {
    if (how === 'delay') this.#pipes.delay(0);
    if (how !== 'cut' && how !== 'silence' && how !== 'swallow') return;
    await this.#pipes.close();
    await this.open();
  }

  close(): Promise<void> {
    return this.#pipes.close();
  }
}
