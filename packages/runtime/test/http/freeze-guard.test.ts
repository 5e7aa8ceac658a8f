// Goal: what lay unread in the sockets of a process that was frozen changes nothing when it wakes, and what
// is asked afterwards is served. Method: a real server whose event loop is stopped as a signal would stop it.
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { pino } from 'pino';
import t from 'tap';
import { createHttp } from '../../src/index.ts';

/** Stops the event loop for this long, while the sockets fill. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const app = createHttp({ logger: pino({ enabled: false }), isReady: () => true });
let changes = 0;
app.post('/change', async () => (changes += 1));
app.get('/look', async () => 'seen');
await app.listen({ host: '127.0.0.1', port: 0 });
t.teardown(() => app.close());
const { port } = app.server.address() as AddressInfo;

/** Sends a request, whose bytes the kernel has on return. @returns the status of the answer. */
async function ask(method: string, path: string, whileWaiting: () => void): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`${method} ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
  whileWaiting();
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
  await once(socket, 'close');
  return /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? text;
}
const nothing = () => undefined;

await t.test('a change that waited while the process was frozen is refused', async (t) => {
  t.equal(await ask('POST', '/change', nothing), '200');
  t.equal(changes, 1);
  t.equal(
    await ask('POST', '/change', () => {
      freeze(1_700);
    }),
    '503',
  );
  t.equal(await ask('POST', '/change', nothing), '503', 'and so is what was accepted a moment later');
  t.equal(changes, 1, 'nothing was done');
  t.equal(await ask('GET', '/look', nothing), '200', 'to look does no harm');
  t.equal(await ask('GET', '/livez', nothing), '200');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  t.equal(await ask('POST', '/change', nothing), '200', 'a second later it serves again');
});

await t.test('a process that was only busy refuses nothing', async (t) => {
  const before = changes;
  t.equal(
    await ask('POST', '/change', () => {
      freeze(500);
    }),
    '200',
  );
  t.equal(changes, before + 1);
});
