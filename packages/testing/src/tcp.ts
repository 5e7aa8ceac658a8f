import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Test } from 'tap';

/** A TCP forwarder before an engine or a service: what the network can do to whoever is behind it. */
export interface Forwarder {
  /** The target's URL, by way of the forwarder. */
  url: string;
  /** How many connections it has accepted. */
  accepted: number;
  /** Every connection dies and none is accepted. */
  cut(): Promise<void>;
  /** Connections stay, and nothing comes through any more. */
  silence(): void;
  /** Connections stay, and what the target answers does not come through any more. */
  swallow(): void;
  /** The connections of this moment stay, and nothing comes through them any more; new ones work. */
  lose(): void;
  /** What comes from now on arrives so many ms later, in both directions. */
  delay(ms: number): void;
  /** The connections of this moment are reset, as by a router that forgot them; new ones work. */
  reset(): void;
  /** After `cut`, `silence` and `swallow`; whoever was there loses its connection. */
  mend(): Promise<void>;
  /** New connections lead elsewhere. */
  retarget(url: string): void;
}

/** Where the next connection leads; undefined: nowhere, it is closed. */
export type Choose = () => URL | undefined;

/** Connections that are piped to wherever `choose` says at that moment; `balancer.ts` uses it too. */
export class Pipes {
  readonly server = createServer((near) => {
    this.#join(near);
  });
  accepted = 0;
  readonly #choose: Choose;
  readonly #sockets = new Set<Socket>();
  readonly #lost = new Set<Socket>();
  #isSilent = false;
  #isSwallowing = false;
  #delayMs = 0;

  constructor(choose: Choose) {
    this.#choose = choose;
  }

  /** @returns the port. */
  async listen(port: number): Promise<number> {
    this.#isSilent = false;
    this.#isSwallowing = false;
    this.#delayMs = 0;
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.server, 'close');
  }

  silence(): void {
    this.#isSilent = true;
  }

  swallow(): void {
    this.#isSwallowing = true;
  }

  lose(): void {
    for (const socket of this.#sockets) this.#lost.add(socket);
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** In order: what waits is passed on before what came after it, also when the delay has ended meanwhile. */
  #later(waiting: (() => void)[], act: () => void): void {
    if (this.#delayMs === 0 && waiting.length === 0) {
      act();
      return;
    }
    waiting.push(act);
    setTimeout(() => waiting.shift()?.(), this.#delayMs);
  }

  #join(near: Socket): void {
    this.accepted += 1;
    const target = this.#choose();
    if (target === undefined) {
      near.destroy();
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      const waiting: (() => void)[] = [];
      one.on('error', () => other.destroy());
      one.on('data', (chunk) => {
        const isSwallowed = this.#isSilent || (this.#isSwallowing && one === far) || this.#lost.has(one);
        if (isSwallowed) return;
        this.#later(waiting, () => {
          if (!other.destroyed) other.write(chunk);
        });
      });
      one.on('end', () => {
        this.#later(waiting, () => other.end());
      });
      one.on('close', () => {
        this.#sockets.delete(one);
        this.#lost.delete(one);
        // What was received is passed on before the other end closes too.
        this.#later(waiting, () => {
          other.destroySoon();
        });
      });
    }
  }
}

/**
 * Ends with the test.
 * @param port to take over one that its owner has left; default: a free one.
 */
export async function forwardTcp(t: Test, targetUrl: string, port = 0): Promise<Forwarder> {
  let target = new URL(targetUrl);
  const pipes = new Pipes(() => target);
  const ownPort = await pipes.listen(port);
  const cut = (): Promise<void> => pipes.close();
  t.teardown(cut);
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${ownPort}`;
  return {
    url: url.href,
    get accepted() {
      return pipes.accepted;
    },
    cut,
    silence: () => {
      pipes.silence();
    },
    swallow: () => {
      pipes.swallow();
    },
    lose: () => {
      pipes.lose();
    },
    delay: (ms) => {
      pipes.delay(ms);
    },
    reset: () => {
      pipes.reset();
    },
    mend: async () => {
      // A connection that was silenced has lost bytes, so it cannot go on.
      await cut();
      await pipes.listen(ownPort);
    },
    retarget: (next) => {
      target = new URL(next);
    },
  };
}
