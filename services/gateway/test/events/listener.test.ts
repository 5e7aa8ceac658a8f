// Goal: a listener who does not read is dropped once more waits than its bound, and one who reads is not.
// Method: a real server; one client reads, the other never does.
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Listener, type EndReason } from '../../src/events/listener.ts';

/** More bytes than the kernel's buffers of both ends hold. */
const PIECES = 2_000;
const PIECE = Buffer.alloc(8_192, 'x');

await t.test('a listener who does not read is dropped, one who reads is not', async (t) => {
  const listeners: Listener[] = [];
  const ends: (EndReason | undefined)[] = [];
  const server = createServer((_request, response) => {
    const number = listeners.length;
    response.writeHead(200);
    listeners.push(new Listener(response, undefined, (reason) => (ends[number] = reason)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const join = async (reads: boolean) => {
    const known = listeners.length;
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    if (reads) socket.resume();
    else socket.pause();
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    t.teardown(() => socket.destroy());
    while (listeners.length === known) await sleep(5);
  };
  await join(true);
  await join(false);
  t.teardown(() => server.close());
  const [quick, slow] = listeners;
  const droppedAt: (number | undefined)[] = [];
  for (let piece = 0; piece < PIECES; piece += 1) {
    for (const [number, listener] of [quick, slow].entries()) {
      if (listener?.send(PIECE) === false) droppedAt[number] ??= piece;
    }
    await sleep(piece % 4 === 0 ? 1 : 0);
  }
  await sleep(50);
  t.equal(droppedAt[0], undefined, 'who reads stays');
  t.ok(Number(droppedAt[1]) > 0, `the other was dropped at ${String(droppedAt[1])}`);
  t.equal(ends[0], undefined);
  t.equal(ends[1], 'slow');
  quick?.end('drained', [1, 2]);
  while (ends[0] === undefined) await sleep(5);
  t.equal(ends[0], 'drained');
});
