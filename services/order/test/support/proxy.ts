import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

/** A TCP proxy before an engine: cutting it is what a lost network looks like to the service. */
export interface Proxy {
  /** The engine's URL, by way of the proxy. */
  url: string;
  /** Every connection dies and none is accepted. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

export async function createProxy(t: Test, engineUrl: string): Promise<Proxy> {
  const engine = new URL(engineUrl);
  const sockets = new Set<Socket>();
  const join = (near: Socket) => {
    const far = connect(Number(engine.port), engine.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
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
  const url = new URL(engineUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    cut,
    mend: async () => {
      await listen(port);
    },
  };
}
