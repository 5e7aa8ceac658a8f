// Goal: who is asking comes from a good token or not at all. Method: tokens made with jose, good and forged.
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { SignJWT } from 'jose';
import t from 'tap';
import { createIdentifier } from '../src/identity.ts';

const secret = 's'.repeat(32);
const identifier = createIdentifier({ secret, issuer: undefined, audience: undefined });
const inAnHour = Math.floor(Date.now() / 1_000) + 3_600;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
function handMade(header: object, payload: object, key = secret): string {
  const content = `${encode(header)}.${encode(payload)}`;
  return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`;
}
const good = (payload: object) => handMade({ alg: 'HS256', typ: 'JWT' }, payload);

await t.test('a good token names the user; the scope makes an admin', async (t) => {
  t.same(await identifier.identify(`Bearer ${good({ sub: 'u1', exp: inAnHour })}`), {
    userId: 'u1',
    isAdmin: false,
  });
  const admin = good({ sub: 'a', exp: inAnHour, scope: 'x sale:admin' });
  t.match(await identifier.identify(`bearer ${admin}`), { isAdmin: true });
  const almost = good({ sub: 'a', exp: inAnHour, scope: 'sale:administrator' });
  t.match(await identifier.identify(`Bearer ${almost}`), { isAdmin: false });
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
    'not valid yet': `Bearer ${good({ sub: 'u1', exp: inAnHour, nbf: inAnHour - 10 })}`,
  };
  for (const [name, authorization] of Object.entries(cases)) {
    await t.rejects(identifier.identify(authorization), { code: 'unauthenticated' }, name);
  }
});

await t.test('issuer and audience are checked when they are set', async (t) => {
  const strict = createIdentifier({ secret, issuer: 'shop', audience: 'seckill' });
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
});
