import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

const POLL_MS = 100;

/**
 * What a Service of Kubernetes does: each new connection goes to the next ready backend, an established one stays where
 * it is, nothing is tried twice. Readiness is asked of /readyz, as a kubelet does, only more often.
 */
export class Balancer {
  readonly #backends = new Map<string, boolean>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => {
    this.#forward(client);
  });
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#timer = setInterval(() => {
      for (const url of this.#backends.keys()) void this.#ask(url);
    }, POLL_MS);
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(url: string): void {
    this.#backends.set(url, true);
  }

  remove(url: string): void {
    this.#backends.delete(url);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #ask(url: string): Promise<void> {
    const isReady = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (this.#backends.has(url)) this.#backends.set(url, isReady);
  }

  #forward(client: Socket): void {
    const ready = [...this.#backends].filter(([, isReady]) => isReady).map(([url]) => url);
    const backend = ready[(this.#next += 1) % ready.length];
    if (backend === undefined) {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(backend);
    const server = connect(Number(port), hostname);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.pipe(other);
      one.once('error', () => other.destroy());
      one.once('close', () => {
        this.#sockets.delete(one);
        other.end();
      });
    }
  }
}
