/** The processes that make up one engine of several nodes. */
import type { Child } from '../../machine/children.ts';

/** Called each time a node ends by itself, with how it ended and what starts it again. */
export type OnNodeEnded = (name: string, how: string, start: () => Promise<void>) => void;

interface Node {
  child: Child;
  /** Starts on the same data and the same address. */
  launch: () => Promise<Child>;
}

export class Nodes {
  readonly #nodes = new Map<string, Node>();
  readonly #starting = new Set<Promise<void>>();
  readonly #onEnded: OnNodeEnded;
  #isStopping = false;

  constructor(onEnded: OnNodeEnded) {
    this.#onEnded = onEnded;
  }

  /** Starts a node, and watches it. @throws what `launch` throws. */
  start(name: string, launch: () => Promise<Child>): Promise<void> {
    const starting = launch().then(async (child) => {
      if (this.#isStopping) await child.stop();
      else this.add(name, child, launch);
    });
    this.#starting.add(starting);
    return starting.finally(() => {
      this.#starting.delete(starting);
    });
  }

  /** Watches a node that runs. */
  add(name: string, child: Child, launch: () => Promise<Child>): void {
    this.#nodes.set(name, { child, launch });
    void child.exited.then(({ code, signal }) => {
      if (this.#isStopping || this.#nodes.get(name)?.child !== child) return;
      const how = `ended by itself (${signal ?? `exit code ${code ?? 'unknown'}`})`;
      this.#onEnded(name, how, () => this.start(name, launch));
    });
  }

  get pids(): Record<string, number> {
    const running = [...this.#nodes].filter(([, { child }]) => child.isRunning());
    return Object.fromEntries(running.map(([name, { child }]) => [name, child.pid]));
  }

  /** Resolves when no node runs, also none that was just being started. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#nodes.values()].map(({ child }) => child.stop()));
    await Promise.allSettled(this.#starting);
  }
}
