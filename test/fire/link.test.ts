// Goal: a way does what the nemesis asks of it, and works again when it is mended. Method: an echo behind a
// link, over real sockets.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Link } from './link.ts';

let arrived = '';
const echo = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    arrived += String(chunk);
    socket.write(chunk);
  });
});
echo.listen(0, '127.0.0.1');
await once(echo, 'listening');
const link = new Link(
  'client > echo',
  () => new URL(`http://127.0.0.1:${(echo.address() as AddressInfo).port}`),
);
const port = await link.open();
t.teardown(async () => {
  await link.close();
  echo.close();
});

function open(): { socket: Socket; heard: () => string; ended: Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  const ended = new Promise<string>((resolve) => {
    let how = 'closed';
    socket.on('error', (error) => (how = (error as NodeJS.ErrnoException).code ?? 'error'));
    socket.on('close', () => {
      resolve(how);
    });
  });
  return { socket, heard: () => text, ended };
}

async function echoes(text: string): Promise<boolean> {
  const { socket, heard } = open();
  socket.write(text);
  for (let wait = 0; wait < 100 && heard() !== text; wait += 1) await sleep(10);
  socket.destroy();
  return heard() === text;
}

await t.test(
  'what is delayed comes late, whole and in order, also when the delay ends meanwhile',
  async (t) => {
    const { socket, heard } = open();
    await once(socket, 'connect');
    await link.hurt('delay', 200);
    const since = performance.now();
    socket.write('first ');
    await sleep(50);
    await link.mend('delay');
    socket.write('second');
    while (heard().length < 12 && performance.now() - since < 5_000) await sleep(5);
    t.equal(heard(), 'first second');
    t.ok(performance.now() - since >= 190, 'not sooner than the delay');
    socket.destroy();
  },
);

await t.test('an answer that is swallowed was asked for, and one that is silenced was not', async (t) => {
  for (const [how, comes] of [
    ['swallow', true],
    ['silence', false],
  ] as const) {
    arrived = '';
    await link.hurt(how, 0);
    const { socket, heard, ended } = open();
    socket.write(how);
    await sleep(200);
    t.equal(arrived === how, comes, `${how}: the request ${comes ? 'arrives' : 'is lost'}`);
    t.equal(heard(), '', 'nobody hears an answer');
    await link.mend(how);
    await ended;
    t.ok(await echoes('again'), 'mended');
  }
});

await t.test('a connection that is lost stays half open, and new ones work', async (t) => {
  const { socket, heard } = open();
  await once(socket, 'connect');
  await sleep(20);
  await link.hurt('lose', 0);
  socket.write('into nowhere');
  t.ok(await echoes('new'));
  t.equal(heard(), '');
  t.notOk(socket.destroyed);
  socket.destroy();
});

await t.test('a connection that is reset hears of it, one that is cut is refused', async (t) => {
  const first = open();
  await once(first.socket, 'connect');
  await sleep(20);
  await link.hurt('reset', 0);
  t.equal(await first.ended, 'ECONNRESET');
  t.ok(await echoes('after the reset'));
  await link.hurt('cut', 0);
  t.equal(await open().ended, 'ECONNREFUSED');
  await link.mend('cut');
  t.ok(await echoes('after the cut'));
});
