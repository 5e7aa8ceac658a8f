// Goal: an operator learns of every mistake at once, and no secret is echoed. Method: the reader on made-up
// environments.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, ConfigReader, readConfigOrExit } from '../src/index.ts';

await t.test('all problems are reported together, without values', async (t) => {
  const reader = new ConfigReader({ REDIS_URL: 'hunter2-not-a-url', PORT: '70000', SECRET: 'short-hunter2' });
  reader.url('REDIS_URL', ['redis']);
  reader.integer('PORT', { min: 0, max: 65_535 });
  reader.secret('SECRET');
  reader.list('KAFKA_BROKERS');
  t.throws(() => {
    reader.done();
  }, ConfigError);
  try {
    reader.done();
  } catch (error) {
    const text = String(error);
    for (const name of ['REDIS_URL', 'PORT', 'SECRET', 'KAFKA_BROKERS']) t.match(text, name);
    t.notMatch(text, 'hunter2');
  }
});

await t.test('a secret may come from a file', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'seckill-config-')), 'secret');
  writeFileSync(file, `${'s'.repeat(32)}\n`);
  const reader = new ConfigReader({ JWT_SECRET_FILE: file });
  t.equal(reader.secret('JWT_SECRET'), 's'.repeat(32));
  reader.done();
});

await t.test('a file that cannot be read is a problem, not an empty secret', async (t) => {
  const reader = new ConfigReader({ JWT_SECRET_FILE: '/nowhere/at/all' });
  t.equal(reader.secret('JWT_SECRET'), '');
  t.throws(() => {
    reader.done();
  }, /JWT_SECRET_FILE cannot be read \(ENOENT\)/);
});

await t.test('roles are a known subset, all of them by default', async (t) => {
  const roles = ['http', 'relay'] as const;
  t.same(new ConfigReader({}).choices('ROLES', roles), ['http', 'relay']);
  t.same(new ConfigReader({ ROLES: 'relay' }).choices('ROLES', roles), ['relay']);
  const reader = new ConfigReader({ ROLES: 'relay,rely' });
  reader.choices('ROLES', roles);
  t.throws(() => {
    reader.done();
  }, /unknown rely/);
});

await t.test('only a configuration error is told in words; any other is a bug and is thrown', async (t) => {
  t.same(
    readConfigOrExit(() => ({ port: 1 })),
    { port: 1 },
  );
  t.throws(
    () =>
      readConfigOrExit(() => {
        throw new TypeError('a bug');
      }),
    { name: 'TypeError' },
  );
});

await t.test('a share is a number from 0 to 1', async (t) => {
  const reader = new ConfigReader({ SOME: '0.25', NONE: '0', ALL: '1', HALF: '.5' });
  t.same(
    ['SOME', 'NONE', 'ALL', 'HALF', 'ABSENT'].map((name) => reader.share(name, 0.01)),
    [0.25, 0, 1, 0.5, 0.01],
  );
  reader.done();
  for (const wrong of ['1.5', '-0.1', 'all', '1e-3', 'NaN', '50%']) {
    const refusing = new ConfigReader({ SHARE: wrong });
    refusing.share('SHARE', 0.01);
    t.throws(() => {
      refusing.done();
    }, /SHARE must be a number from 0 to 1/);
  }
});
