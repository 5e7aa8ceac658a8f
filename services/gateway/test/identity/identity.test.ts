// Goal: who is asking comes from a good token or not at all, whichever kind of key signs. Method: tokens made
// with jose and by hand, good and forged; a JWKS is served over real HTTP.
import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import t from 'tap';
import { readConfig } from '../../src/config.ts';
import { createIdentifier } from '../../src/identity/identity.ts';
import { jwksKeys, publicKeys, secretKeys, type TokenKeys } from '../../src/identity/token-keys.ts';

const secret = 's'.repeat(32);
const identifier = createIdentifier({ keys: secretKeys(secret), issuer: undefined, audience: undefined });
const inAnHour = Math.floor(Date.now() / 1_000) + 3_600;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
function handMade(header: object, payload: object, key = secret): string {
  const content = `${encode(header)}.${encode(payload)}`;
  return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`;
}
const good = (payload: object) => handMade({ alg: 'HS256', typ: 'JWT' }, payload);

await t.test('a good token names the user; the scope makes an operator', async (t) => {
  t.same(await identifier.identify(`Bearer ${good({ sub: 'u1', exp: inAnHour })}`), {
    userId: 'u1',
    isOperator: false,
  });
  const admin = good({ sub: 'a', exp: inAnHour, scope: 'x sale:admin' });
  t.match(await identifier.identify(`bearer ${admin}`), { isOperator: true });
  const almost = good({ sub: 'a', exp: inAnHour, scope: 'sale:administrator' });
  t.match(await identifier.identify(`Bearer ${almost}`), { isOperator: false });
});

await t.test('every bad token is unauthenticated', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const rsContent = `${encode({ alg: 'RS256' })}.${encode({ sub: 'u1', exp: inAnHour })}`;
  const unsigned = `${encode({ alg: 'none' })}.${encode({ sub: 'u1', exp: inAnHour })}.`;
  const cases: Record<string, string | undefined> = {
    missing: undefined,
    'another scheme': 'Basic dTE6cA==',
    'not a token': 'Bearer nonsense',
    expired: `Bearer ${good({ sub: 'u1', exp: Math.floor(Date.now() / 1_000) - 60 })}`,
    'without exp': `Bearer ${good({ sub: 'u1' })}`,
    'without sub': `Bearer ${good({ exp: inAnHour })}`,
    'sub with a space': `Bearer ${good({ sub: 'u 1', exp: inAnHour })}`,
    'sub with a line feed': `Bearer ${good({ sub: 'u\n1', exp: inAnHour })}`,
    'sub too long': `Bearer ${good({ sub: 'u'.repeat(129), exp: inAnHour })}`,
    'sub is a number': `Bearer ${good({ sub: 7, exp: inAnHour })}`,
    'forged with another secret': `Bearer ${handMade({ alg: 'HS256' }, { sub: 'u1', exp: inAnHour }, 'x'.repeat(32))}`,
    'alg none': `Bearer ${unsigned}`,
    'alg none with a signature': `Bearer ${handMade({ alg: 'none' }, { sub: 'u1', exp: inAnHour })}`,
    'another algorithm': `Bearer ${rsContent}.${sign('sha256', Buffer.from(rsContent), privateKey).toString('base64url')}`,
    'exp is a text': `Bearer ${good({ sub: 'u1', exp: String(inAnHour) })}`,
    'claims are an array': `Bearer ${good(['u1', inAnHour])}`,
    'claims are no JSON': `Bearer ${(() => {
      const content = `${encode({ alg: 'HS256' })}.${Buffer.from('{"sub":').toString('base64url')}`;
      return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
    })()}`,
    'a critical header nobody knows': `Bearer ${handMade({ alg: 'HS256', crit: ['x'], x: 1 }, { sub: 'u1', exp: inAnHour })}`,
    'another hash of the family': `Bearer ${handMade({ alg: 'HS384' }, { sub: 'u1', exp: inAnHour })}`,
    'a signature cut off': `Bearer ${good({ sub: 'u1', exp: inAnHour }).slice(0, -4)}`,
    'dates that no calendar has': `Bearer ${good({ sub: 'u1', exp: inAnHour, nbf: 1e20 })}`,
    'an end that no calendar has': `Bearer ${good({ sub: 'u1', exp: -1e20 })}`,
    'not valid yet': `Bearer ${good({ sub: 'u1', exp: inAnHour, nbf: inAnHour - 10 })}`,
  };
  for (const [name, authorization] of Object.entries(cases)) {
    await t.rejects(identifier.identify(authorization), { code: 'unauthenticated' }, name);
  }
});

await t.test('issuer and audience are checked when they are set', async (t) => {
  const strict = createIdentifier({ keys: secretKeys(secret), issuer: 'shop', audience: 'seckill' });
  const token = (issuer: string, audience: string) =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('u1')
      .setExpirationTime('1h')
      .setIssuer(issuer)
      .setAudience(audience)
      .sign(new TextEncoder().encode(secret));
  t.match(await strict.identify(`Bearer ${await token('shop', 'seckill')}`), { userId: 'u1' });
  await t.rejects(strict.identify(`Bearer ${await token('other', 'seckill')}`), { code: 'unauthenticated' });
  await t.rejects(strict.identify(`Bearer ${await token('shop', 'other')}`), { code: 'unauthenticated' });
  for (const claims of [
    {},
    { iss: 'shop' },
    { aud: 'seckill' },
    { iss: null, aud: null },
    { iss: 'shop', aud: [] },
  ]) {
    const lacking = `Bearer ${good({ sub: 'u1', exp: inAnHour, ...claims })}`;
    await t.rejects(strict.identify(lacking), { code: 'unauthenticated' }, JSON.stringify(claims));
  }
});

const pemOf = (key: KeyObject) =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();

function signed(alg: string, key: KeyObject, header: object = {}): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg, ...header })
    .setSubject('u1')
    .setExpirationTime('1h')
    .sign(key);
}

const identifierOf = (keys: TokenKeys) => createIdentifier({ keys, issuer: undefined, audience: undefined });

await t.test('a public key verifies what its private key signed, by its own algorithm only', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  for (const [alg, pair] of Object.entries({ RS256: rsa, ES256: ec, EdDSA: ed })) {
    const one = identifierOf(publicKeys(pemOf(pair.publicKey), undefined));
    t.match(await one.identify(`Bearer ${await signed(alg, pair.privateKey)}`), { userId: 'u1' }, alg);
    const pem = pemOf(pair.publicKey);
    for (const text of [pem, pem.trim()]) {
      const confused = handMade({ alg: 'HS256' }, { sub: 'u1', exp: inAnHour }, text);
      await t.rejects(
        one.identify(`Bearer ${confused}`),
        { code: 'unauthenticated' },
        'the key is no secret',
      );
    }
    await t.rejects(one.identify(`Bearer ${good({ sub: 'u1', exp: inAnHour })}`), {
      code: 'unauthenticated',
    });
  }
  const pinned = identifierOf(publicKeys(pemOf(rsa.publicKey), 'PS256'));
  t.match(await pinned.identify(`Bearer ${await signed('PS256', rsa.privateKey)}`), { userId: 'u1' });
  await t.rejects(pinned.identify(`Bearer ${await signed('RS256', rsa.privateKey)}`), {
    code: 'unauthenticated',
  });
  t.throws(() => publicKeys(pemOf(rsa.privateKey), undefined), /private key/);
  t.throws(() => publicKeys('nonsense', undefined), /no public key/);
  t.throws(() => publicKeys(pemOf(rsa.publicKey), 'ES256'), /none for ES256/);
  const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  t.throws(() => publicKeys(pemOf(weak.publicKey), undefined), /2048 bits/);
});

await t.test('keys of a JWKS rotate, and an unreachable one is nobody’s bad token', async (t) => {
  const [first, second] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
  const jwk = (pair: typeof first, kid: string) => ({ ...pair.publicKey.export({ format: 'jwk' }), kid });
  let keys: object[] = [jwk(first, 'one')];
  let fetches = 0;
  const server = createServer((_request, response) => {
    fetches += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;

  const early = identifierOf(jwksKeys(url, undefined));
  const of = (pair: typeof first, kid: string) => signed('EdDSA', pair.privateKey, { kid });
  t.match(await early.identify(`Bearer ${await of(first, 'one')}`), { userId: 'u1' });
  for (let count = 0; count < 20; count += 1) {
    const forged = await of(second, `forged-${count}`);
    await t.rejects(early.identify(`Bearer ${forged}`), { code: 'unauthenticated' });
  }
  t.equal(fetches, 1, 'unknown key ids do not make us flood the issuer');

  // The shortened bound on looking again.
  const rotating = identifierOf(jwksKeys(url, undefined, 50));
  t.match(await rotating.identify(`Bearer ${await of(first, 'one')}`), { userId: 'u1' });
  keys = [jwk(second, 'two')];
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.match(
    await rotating.identify(`Bearer ${await of(second, 'two')}`),
    { userId: 'u1' },
    'the new key is found',
  );
  const stranger = await new SignJWT({ scope: 'sale:admin' })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
    .setSubject('u1')
    .setExpirationTime('1h')
    .sign(first.privateKey);
  await t.rejects(
    rotating.identify(`Bearer ${stranger}`),
    { code: 'unauthenticated' },
    'the old one is gone',
  );

  server.close();
  server.closeAllConnections();
  const deaf = identifierOf(jwksKeys(url, undefined));
  await t.rejects(deaf.identify(`Bearer ${await of(second, 'two')}`), { code: 'overloaded' });
});

await t.test(
  'a token that was verified before is believed until it expires, and no other one with it',
  async (t) => {
    const exp = Math.floor(Date.now() / 1_000) + 2;
    const token = good({ sub: 'u1', exp });
    t.match(await identifier.identify(`Bearer ${token}`), { userId: 'u1' });
    t.match(await identifier.identify(`Bearer ${token}`), { userId: 'u1' });
    const [header = '', , signature = ''] = token.split('.');
    const changed = `${header}.${encode({ sub: 'u2', exp })}.${signature}`;
    await t.rejects(identifier.identify(`Bearer ${changed}`), { code: 'unauthenticated' });
    while (Date.now() < exp * 1_000) await new Promise((resolve) => setTimeout(resolve, 50));
    await t.rejects(identifier.identify(`Bearer ${token}`), { code: 'unauthenticated' });
  },
);

await t.test('a gateway takes exactly one kind of key, and never a public key as its secret', (t) => {
  const pem = pemOf(generateKeyPairSync('ed25519').publicKey);
  const base = {
    STOCK_URL: 'http://stock',
    ORDER_URL: 'http://order',
    GATEWAY_TOKEN: secret,
    WEBHOOK_SECRETS: `whsec_${'a'.repeat(32)}`,
  };
  const cases: [Record<string, string>, RegExp | undefined][] = [
    [{ JWT_SECRET: secret }, undefined],
    [{ JWT_PUBLIC_KEY: pem }, undefined],
    [{ JWT_PUBLIC_KEY: pem, JWT_ALGORITHM: 'EdDSA' }, undefined],
    [{ JWT_JWKS_URL: 'https://issuer/keys' }, undefined],
    [{}, /exactly one/],
    [{ JWT_SECRET: secret, JWT_PUBLIC_KEY: pem }, /exactly one/],
    [{ JWT_SECRET: secret, JWT_JWKS_URL: 'https://issuer/keys' }, /exactly one/],
    [{ JWT_SECRET: 'short' }, /32 characters/],
    [{ JWT_SECRET: secret, JWT_ALGORITHM: 'RS256' }, /HS256/],
    [{ JWT_PUBLIC_KEY: pem, JWT_ALGORITHM: 'HS256' }, /no secret/],
    [{ JWT_PUBLIC_KEY: pem, JWT_ALGORITHM: 'none' }, /one of/],
    [{ JWT_PUBLIC_KEY: 'x' }, /no public key/],
    [{ JWT_JWKS_URL: 'ftp://issuer/keys' }, /http/],
    [{ JWT_SECRET: secret, REDIS_URL: 'redis://r', RATE_LIMIT_REDIS_URL: 'redis://r' }, /another Redis/],
  ];
  for (const [variables, refusal] of cases) {
    const read = () => readConfig({ ...base, ...variables });
    const name = JSON.stringify(variables).slice(0, 100);
    if (refusal === undefined) t.doesNotThrow(read, name);
    else t.throws(read, refusal, name);
  }
  t.end();
});
