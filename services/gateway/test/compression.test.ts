// Goal: gzip is sent to whoever asks for it, and to nobody else. Method: headers of clients, as RFC 9110
// reads them, and the longest answer of a gateway that is alone.
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { acceptsGzip } from '../src/compression.ts';
import { startGateway } from './support/gateway.ts';

await t.test('Accept-Encoding is heeded with its weights', async (t) => {
  const accepted = [
    'gzip',
    'GZIP',
    'x-gzip',
    'deflate, gzip;q=0.1',
    '*',
    'br, *;q=0.5',
    'gzip ; q=1.0',
    '*;q=0, gzip',
  ];
  const refused = [
    undefined,
    '',
    'identity',
    'br',
    'gzip;q=0',
    'gzip;q=0.000',
    '*;q=0',
    'gzip;q=0, *',
    'gzipped',
  ];
  for (const header of accepted) t.ok(acceptsGzip(header), header);
  for (const header of refused) t.notOk(acceptsGzip(header), String(header));
});

await t.test('a long answer is compressed, and is another representation', async (t) => {
  const gateway = await startGateway({});
  t.teardown(() => gateway.stop());
  const get = (url: string, headers: Record<string, string>) => gateway.app.inject({ url, headers });
  const plain = await get('/openapi.json', {});
  const packed = await get('/openapi.json', { 'accept-encoding': 'gzip' });
  t.equal(packed.headers['content-encoding'], 'gzip');
  t.ok(packed.rawPayload.length < plain.rawPayload.length / 4);
  t.equal(packed.headers['content-length'], String(packed.rawPayload.length));
  t.equal(gunzipSync(packed.rawPayload).toString(), plain.body);
  t.match([plain.headers['vary'], packed.headers['vary']], [/accept-encoding/, /accept-encoding/]);
  t.match(plain.headers['etag'], /^"/);
  t.equal(packed.headers['etag'], `W/${String(plain.headers['etag'])}`, 'not the same bytes');
  const again = { 'accept-encoding': 'gzip', 'if-none-match': String(packed.headers['etag']) };
  t.equal((await get('/openapi.json', again)).statusCode, 304);
  t.notOk('content-encoding' in (await get('/livez', { 'accept-encoding': 'gzip' })).headers, 'a short one');
});
