import { Pipes } from '@seckill/testing';

const POLL_MS = 100;

/**
 * Balances as a Service of Kubernetes does: each new connection goes to the next ready backend, an
 * established one stays where it is, and nothing is tried twice. Readiness is asked of /readyz, as a kubelet
 * does, only more often.
 */
export class Balancer {
  readonly #backends = new Map<string, boolean>();
  readonly #pipes = new Pipes(() => this.#pick());
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  async start(): Promise<string> {
    const port = await this.#pipes.listen(0);
    this.#timer = setInterval(() => {
      for (const url of this.#backends.keys()) void this.#ask(url);
    }, POLL_MS);
    return `http://127.0.0.1:${port}`;
  }

  add(url: string): void {
    this.#backends.set(url, true);
  }

  remove(url: string): void {
    this.#backends.delete(url);
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return this.#pipes.close();
  }

  async #ask(url: string): Promise<void> {
    const isReady = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (this.#backends.has(url)) this.#backends.set(url, isReady);
  }

  #pick(): URL | undefined {
    const ready = [...this.#backends].filter(([, isReady]) => isReady).map(([url]) => url);
    const backend = ready[(this.#next += 1) % ready.length];
    return backend === undefined ? undefined : new URL(backend);
  }
}
