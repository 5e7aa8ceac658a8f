import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

/** A TCP proxy before an engine or a service: what a lost network looks like to whoever is behind it. */
export interface Proxy {
  /** The target's URL, by way of the proxy. */
  url: string;
  /** Every connection dies and none is accepted. */
  cut(): Promise<void>;
  /** Connections stay, and nothing comes through any more. */
  silence(): void;
  /** The connections of this moment stay, and nothing comes through them any more; new ones work. */
  lose(): void;
  /** After `cut` and `silence`. */
  mend(): Promise<void>;
}

export async function createProxy(t: Test, targetUrl: string): Promise<Proxy> {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const lost = new Set<Socket>();
  let isSilent = false;
  const join = (near: Socket) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        lost.delete(one);
        other.destroy();
      });
      one.on('data', (chunk) => {
        if (!isSilent && !lost.has(one) && !other.destroyed) other.write(chunk);
      });
    }
  };
  let server: Server;
  const listen = async (port: number) => {
    server = createServer(join).listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  };
  const port = await listen(0);
  const cut = async () => {
    if (!server.listening) return;
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  t.teardown(cut);
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    cut,
    silence: () => {
      isSilent = true;
    },
    lose: () => {
      for (const socket of sockets) lost.add(socket);
    },
    mend: async () => {
      // Whoever was silenced has lost bytes: their connections cannot go on.
      await cut();
      isSilent = false;
      await listen(port);
    },
  };
}
