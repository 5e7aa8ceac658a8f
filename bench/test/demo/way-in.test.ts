// Goal: a crowd has so many requests under way and no more, no click is let in while buyers who hold units
// wait, and no place is lost. Method: a server that answers when it is told to, so that the order of the
// requests is the turnstile's alone.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { untilWithin } from '@seckill/testing';
import { test } from 'tap';
import { Pool } from 'undici';
import { transportOver, WayIn } from '../../src/demo/way-in.ts';

const until = untilWithin(10_000);

await test('clicks wait in their order, and behind checkouts that wait; a lost answer frees its place', async (t) => {
  const seen: string[] = [];
  const open = new Map<string, ServerResponse>();
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? '';
    seen.push(name);
    open.set(name, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const http = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(async () => {
    await http.destroy();
    server.close();
  });

  const transport = transportOver(http);
  const wayIn = new WayIn(transport, 2);
  const ask = (path: string) => ({ method: 'GET' as const, url: `/${path}`, headers: {}, timeoutMs: 10_000 });
  const isSeen = (...names: string[]) =>
    until(names.join(', '), () => {
      // Two that come at once may come in either order.
      return names.every((name) => seen.includes(name)) && seen.length === names.length;
    });
  const first = wayIn.click(ask('first'));
  const lost = t.rejects(wayIn.click(ask('second')), 'its connection broke');
  const later = ['third', 'fourth'].map((name) => wayIn.click(ask(name)));
  const paid = wayIn.checkout(ask('paid'));
  const next = wayIn.checkout(ask('next'));
  await isSeen('first', 'second', 'paid');

  open.get('first')?.end('one');
  t.equal((await first).text, 'one');
  // What would have been let in by now would come before this one, or with it.
  const probe = transport(ask('probe'));
  await isSeen('first', 'second', 'paid', 'probe');
  open.get('probe')?.end();
  await probe;
  open.get('paid')?.writeHead(409, { 'retry-after': '2' }).end('{}');
  const answer = await paid;
  const headers = ['retry-after', 'x'].map((name) => answer.header(name));
  t.same([answer.status, headers, answer.text], [409, ['2', undefined], '{}']);
  await isSeen('first', 'second', 'paid', 'probe', 'next', 'third');

  open.get('second')?.destroy();
  await lost;
  await isSeen('first', 'second', 'paid', 'probe', 'next', 'third', 'fourth');
  for (const name of ['next', 'third', 'fourth']) open.get(name)?.end();
  await Promise.all([next, ...later]);
});

await test('while no checkout can end, clicks do not wait for those that wait', async (t) => {
  const seen: string[] = [];
  let mayCheckOut = true;
  const transport = async ({ url }: { url: string }): Promise<never> => {
    seen.push(url);
    return new Promise(() => undefined);
  };
  const wayIn = new WayIn(transport, 2, () => mayCheckOut);
  const ask = (url: string) => ({ method: 'GET' as const, url, headers: {}, timeoutMs: 10_000 });
  for (const name of ['paid', 'next']) void wayIn.checkout(ask(name));
  void wayIn.click(ask('held up'));
  await Promise.resolve();
  t.same(seen, ['paid']);
  mayCheckOut = false;
  void wayIn.click(ask('let in'));
  await Promise.resolve();
  t.same(seen, ['paid', 'held up', 'let in']);
});
