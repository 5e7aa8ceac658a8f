// Goal: the raw client counts every answer once, by status, and never takes a part of one for a whole.
// Method: it asks a server of this process, which answers in pieces, without a body, without a length, or not
// at all.
import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { openRawClient, readAnswer } from '../../src/generator/raw-client.ts';

const WHOLE = 'HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}';
const REQUEST = 'GET / HTTP/1.1\r\nhost: bench\r\n\r\n';

/** Calls `answer` with the number of the request, from 1, over all connections. */
async function serve(t: Test, answer: (socket: Socket, count: number) => void) {
  let count = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      // Each request comes in one piece: it fits into a packet, and its client waits for the answer.
      t.equal(bytes.toString(), REQUEST);
      count += 1;
      answer(socket, count);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const client = await openRawClient({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    connections: 3,
    requests: [REQUEST],
  });
  t.teardown(() => {
    client.close();
    server.close();
  });
  return { client, asked: () => count };
}

await t.test('every answer is counted once, by status', async (t) => {
  const { client, asked } = await serve(t, (socket, count) => {
    setTimeout(() => {
      if (count % 3 === 0) socket.write('HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n');
      else socket.write(WHOLE);
    }, 2);
  });
  const { answered, statuses, failures, seconds } = await client.run(200);
  t.equal(answered, asked());
  t.equal((statuses['201'] ?? 0) + (statuses['304'] ?? 0), answered);
  t.equal(statuses['304'], Math.floor(asked() / 3));
  t.equal(failures, 0);
  // A timer of Node.js may fire up to a millisecond before its time.
  t.ok(seconds >= 0.199, String(seconds));
});

await t.test('an answer in pieces is one answer', async (t) => {
  const { client, asked } = await serve(t, (socket) => {
    void (async () => {
      for (const character of WHOLE) {
        socket.write(character);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
  });
  const { answered, statuses } = await client.run(200);
  t.ok(answered > 0);
  t.same(statuses, { 201: asked() });
});

await t.test('an answer that is not whole is a failure, and the connection is opened again', async (t) => {
  const { client } = await serve(t, (socket, count) => {
    setTimeout(() => {
      if (count === 5) socket.destroy();
      else if (count === 6) socket.write('HTTP/1.1 200 OK\r\n\r\nno length');
      else if (count === 7) socket.write(`${WHOLE}more`);
      else socket.write(WHOLE);
    }, 2);
  });
  const { answered, failures } = await client.run(200);
  t.equal(failures, 3);
  t.ok(answered > 4, 'the others go on');
});

await t.test('an answer ends where its head and its length say', (t) => {
  const read = (text: string) => readAnswer(Buffer.from(text));
  t.same(read(WHOLE), { status: 201, length: WHOLE.length });
  t.equal(read(WHOLE.slice(0, -1)), undefined);
  t.equal(read('HTTP/1.1 200 OK\r\ncontent-le'), undefined);
  t.match(read('SSH-2.0\r\n\r\n'), { status: 0 });
  t.match(read('HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n'), { status: 0 });
  t.end();
});
