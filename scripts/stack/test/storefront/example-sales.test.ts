// Goal: the example sales are made although the gateway is overloaded at first, and a failure is told. Once
// they were left out without a word. Method: a server in the gateway's place, because a gateway cannot be
// overloaded for exactly two requests.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createExampleSales } from '../../src/storefront/example-sales.ts';

async function serve(t: Test, statuses: number[], listed: unknown) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(String(request.method));
    const status = request.method === 'POST' ? 201 : (statuses.shift() ?? 200);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? listed : { code: 'overloaded' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

await t.test('a gateway that is overloaded twice is asked again', async (t) => {
  const { asked, url } = await serve(t, [503, 503], { data: [] });
  t.same(await createExampleSales(url, 's'.repeat(32)), []);
  t.same(asked, ['GET', 'GET', 'GET', 'POST', 'POST', 'POST']);
});

await t.test('what a gateway refuses is told', async (t) => {
  const { url } = await serve(t, [500], { data: [] });
  t.match(await createExampleSales(url, 's'.repeat(32)), [/were not listed: 500/]);
});

await t.test('sales that are there stay alone', async (t) => {
  const { asked, url } = await serve(t, [], { data: [{ id: 'mine' }] });
  t.same(await createExampleSales(url, 's'.repeat(32)), []);
  t.same(asked, ['GET']);
});
