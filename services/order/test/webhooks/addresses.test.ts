// Goal: nobody who may register an endpoint reaches into the operator's network through us.
// Method: addresses of every special range, in the ways in which they can be written, and names that resolve
// to one.
import { test } from 'tap';
import { isPublicAddress, lookupPublic, parseEndpointUrl } from '../../src/webhooks/addresses.ts';
import { createSender } from '../../src/webhooks/sender.ts';

await test('special addresses are not public', (t) => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '2001:db8::1',
    '2002:a00:1::1',
    'nonsense',
  ]) {
    t.notOk(isPublicAddress(address), address);
  }
  for (const address of ['1.1.1.1', '203.0.114.1', '2606:4700::1111'])
    t.ok(isPublicAddress(address), address);
  t.end();
});

await test('an endpoint is an https address on the internet', (t) => {
  for (const [url, detail] of [
    ['shop.example', 'no address'],
    ['http://shop.example/hook', 'https'],
    ['ftp://shop.example/hook', 'https'],
    ['https://user:secret@shop.example/hook', 'password'],
    ['https://127.0.0.1/hook', 'internet'],
    ['https://2130706433/hook', 'internet'],
    ['https://0x7f.1/hook', 'internet'],
    ['https://017700000001/hook', 'internet'],
    ['https://[::1]/hook', 'internet'],
    ['https://[::ffff:192.168.0.1]/hook', 'internet'],
    ['https://169.254.169.254/latest/meta-data', 'internet'],
  ] as const) {
    t.throws(() => parseEndpointUrl(url, false), { code: 'invalid_request', extra: { field: 'url' } }, url);
    const refused = (): unknown => parseEndpointUrl(url, false);
    t.throws(refused, { message: new RegExp(detail) }, url);
  }
  t.equal(parseEndpointUrl('https://shop.example/hook', false).href, 'https://shop.example/hook');
  t.equal(parseEndpointUrl('http://127.0.0.1:8080/', true).href, 'http://127.0.0.1:8080/');
  t.end();
});

await test('a name that resolves to a private address is not called', async (t) => {
  for (const all of [true, false]) {
    const error = await new Promise((resolve) => {
      lookupPublic('localhost', { all }, resolve);
    });
    t.match(error, { code: 'SECKILL_PRIVATE_ADDRESS' });
  }
  const sender = createSender(false, 1);
  t.teardown(() => sender.close());
  const attempt = { id: 'msg_1', at: 1, body: '{}', secrets: [Buffer.from('secret')] };
  const { signal } = new AbortController();
  for (const url of ['https://localhost:1/hook', 'https://127.0.0.1:1/hook', 'http://[::1]:1/hook']) {
    t.match(await sender.send({ ...attempt, url }, signal), {
      isDelivered: false,
      error: 'the host has an address that is not public',
    });
  }
});
