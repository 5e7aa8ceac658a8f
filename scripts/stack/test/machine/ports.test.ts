// Goal: a port that is found free is still free when a process comes to listen on it.
// Method: real sockets; outgoing connections, to which the kernel gives ports by itself.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'tap';
import { freePorts, isPortFree } from '../../src/machine/ports.ts';

void test('no outgoing connection gets a port that was found free', async (t) => {
  const found = new Set(await freePorts(200));
  t.equal(found.size, 200, 'different ones');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const lowest = Math.min(...sockets.map(({ localPort = 0 }) => localPort));
  t.ok(lowest > Math.max(...found), `the lowest that the kernel gave is ${lowest}`);
  for (const socket of sockets) socket.destroy();
  server.close();
});

void test('a port that somebody listens on is not free', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.notOk(await isPortFree(port));
  await new Promise((resolve) => server.close(resolve));
  t.ok(await isPortFree(port));
});
