import { systemClock } from './clock.ts';
import type { Logger } from './logger.ts';

/**
 * Everything must have ended by then, after the drain, or the process exits with 1. An orchestrator would
 * kill it anyway.
 */
const STOP_MS = 20_000;

/**
 * Start and end of one process. What was opened last is closed first. A second signal exits at once. An error
 * nobody handled, an InvariantError above all, ends the process, because its state can no longer be trusted.
 */
export class Lifecycle {
  readonly #closers: { name: string; close: () => Promise<unknown> }[] = [];
  readonly #logger: Logger;
  readonly #drainMs: number;
  #stopping: Promise<void> | undefined;
  #isReady = false;
  /** Lets go of whoever waits for the start to be over. */
  #started: (isReady: boolean) => void = () => undefined;
  readonly #hasStarted = new Promise<boolean>((resolve) => {
    this.#started = resolve;
  });

  constructor(logger: Logger, options: { drainMs?: number } = {}) {
    this.#logger = logger;
    this.#drainMs = options.drainMs ?? 0;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (this.#stopping !== undefined) process.exit(1);
        logger.info({ signal }, 'stopping');
        void this.stop(0);
      });
    }
    process.on('unhandledRejection', (error) => {
      this.fail(error, 'unhandled rejection');
    });
    process.on('uncaughtException', (error) => {
      this.fail(error, 'uncaught exception');
    });
  }

  /** Whether the process has started and is not draining, for `/readyz`. */
  get isReady(): boolean {
    return this.#isReady && this.#stopping === undefined;
  }

  ready(): void {
    this.#isReady = true;
    this.#started(true);
  }

  /** @returns whether the process is ready now; false when it stops before it was. */
  untilStarted(): Promise<boolean> {
    return this.#hasStarted;
  }

  onStop(name: string, close: () => Promise<unknown>): void {
    this.#closers.push({ name, close });
  }

  /** Logs, then stops with exit code 1: the orchestrator restarts the role from durable state. */
  fail(error: unknown, message: string): void {
    this.#logger.fatal({ err: error }, message);
    void this.stop(1);
  }

  stop(exitCode: number): Promise<void> {
    this.#stopping ??= this.#stop(exitCode);
    return this.#stopping;
  }

  async #stop(exitCode: number): Promise<void> {
    // A balancer learns from /readyz, or from its orchestrator, that we leave. Until then the balancer sends
    // requests, and they are served. A process that failed ends at once.
    this.#started(false);
    const drainMs = exitCode === 0 && this.#isReady ? this.#drainMs : 0;
    const watchdog = setTimeout(() => {
      this.#logger.error({ stopMs: STOP_MS }, 'did not stop in time');
      process.exit(1);
    }, drainMs + STOP_MS);
    await systemClock.sleep(drainMs);
    for (const { name, close } of this.#closers.reverse()) {
      try {
        await close();
      } catch (error) {
        this.#logger.error({ err: error, part: name }, 'did not close cleanly');
      }
    }
    clearTimeout(watchdog);
    this.#logger.info('stopped');
    process.exit(exitCode);
  }
}
