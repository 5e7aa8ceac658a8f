/** One of the processes under fire: it runs, is being started, or was killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child, Exit, ServiceName } from '@seckill/stack';

/** An engine may be away while a process starts; whoever runs the processes starts it again. */
const START_MS = 90_000;

interface Running {
  url: string;
  metrics: string;
  child: Child;
}

interface MemberOptions {
  name: string;
  service: ServiceName;
  /** Starts a process; it is ready when the promise resolves. */
  launch: () => Promise<Running>;
  /** Called when a process ended although nobody killed it, or when none starts. */
  onDeath: (text: string) => void;
}

/** A process that ends by itself is started again, which everybody else waits for. */
export class Member {
  readonly service: ServiceName;
  readonly #options: MemberOptions;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  #isStopping = false;

  constructor(options: MemberOptions) {
    this.service = options.service;
    this.#options = options;
  }

  /** Undefined while it does not run. */
  get url(): URL | undefined {
    return this.#running && new URL(this.#running.url);
  }

  /** Where it tells its metrics, with the pid: a new process counts from 0. */
  get scrape(): { pid: number; url: string } | undefined {
    return this.#running && { pid: this.#running.child.pid, url: this.#running.metrics };
  }

  /** @throws Error when it was killed, or does not start. */
  async pid(): Promise<number> {
    await this.#untilStarted();
    if (this.#running === undefined) throw new Error(`${this.#options.name} does not run`);
    return this.#running.child.pid;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#untilStarted();
    const child = this.#running?.child;
    this.#running = undefined;
    child?.killGroup('SIGKILL');
    await child?.exited;
  }

  /** Starts what does not run. @throws Error when it does not start in time. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    this.#starting ??= this.#start();
    await this.#starting;
  }

  /** From now on nothing is started again. */
  stop(): void {
    this.#isStopping = true;
  }

  async #untilStarted(): Promise<void> {
    while (this.#starting !== undefined) await this.#starting;
  }

  async #start(): Promise<void> {
    const { launch } = this.#options;
    const deadline = performance.now() + START_MS;
    try {
      for (;;) {
        // What ended has left its name free when its `exited` was heard by all.
        await sleep(50);
        try {
          const running = await launch();
          this.#running = running;
          void running.child.exited.then((exit) => {
            this.#ended(running, exit);
          });
          return;
        } catch (error) {
          if (this.#isStopping || performance.now() > deadline) throw error;
        }
      }
    } finally {
      this.#starting = undefined;
    }
  }

  #ended(running: Running, { code, signal }: Exit): void {
    if (this.#isStopping || this.#running !== running) return;
    const { name, onDeath } = this.#options;
    this.#running = undefined;
    onDeath(`${name} ended by itself (${signal ?? `exit code ${code ?? 'unknown'}`})`);
    this.start().catch((error: unknown) => {
      onDeath(`${name} does not start: ${String(error)}`);
    });
  }
}
