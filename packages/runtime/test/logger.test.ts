// Goal: a log tells what failed and never what it failed with: no password, no key, no user, no script.
// Method: errors of a real Redis, made by our own connection, logged by a child process as a service does.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import { describeError } from '../src/error-log.ts';

const RUNTIME = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const redisUrl = process.env['REDIS_URL'] ?? '';

/** Runs a script that has `logger` and `createRedis`. @returns standard output, line by line. */
function run(body: string, url: string): Promise<{ text: string; lines: Record<string, unknown>[] }> {
  const source = `
    import { createHttp, createLogger, createRedis } from ${JSON.stringify(RUNTIME)};
    const logger = createLogger('test', 'trace');
    const redis = createRedis(process.env.URL_OF_TEST, logger);
    ${body}
    redis.disconnect();`;
  return new Promise((resolve, reject) => {
    const args = ['--input-type=module', '-e', source];
    execFile(
      process.execPath,
      args,
      { env: { URL_OF_TEST: url }, timeout: 20_000 },
      (error, stdout, stderr) => {
        if (error !== null) reject(new Error(`${error.message}${stderr}`));
        const lines = stdout.split('\n').filter((line) => line !== '');
        resolve({ text: stdout, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) });
      },
    );
  });
}

await test('a wrong password of Redis is told, and not which', async (t) => {
  const url = new URL(redisUrl);
  url.username = 'somebody';
  url.password = 'swordfish';
  const { text, lines } = await run(
    `await redis.connect().catch((error) => logger.error({ err: error }, 'no redis'));
     await redis.auth('somebody', 'swordfish').catch((error) => logger.error(error));`,
    url.href,
  );
  t.ok(
    lines.some(({ msg }) => msg === 'redis connection' || msg === 'no redis'),
    'it is logged',
  );
  t.match(text, /WRONGPASS|NOAUTH/, 'with what Redis says');
  t.notMatch(text, /swordfish|somebody/);
});

await test('a script that fails is told without its text, keys and arguments', async (t) => {
  const fails = `redis.eval("redis.call('INCR', KEYS[1]) return redis.call('LPOP', KEYS[1], 'x-of-script')", 1,
    'key-of-user-17', 'idempotency-key-17')`;
  const { text, lines } = await run(
    `await redis.connect();
     await ${fails}.catch((error) => {
       if (error.command === undefined) throw new Error('ioredis keeps no command any more');
       logger.error({ err: error }, 'direct');
       logger.child({ part: 'child' }).error({ err: error }, 'child');
       logger.error({ err: new Error('outer', { cause: error }) }, 'cause');
       const many = Object.assign(new Error('many'), { previousErrors: [error], lastNodeError: error });
       logger.error({ err: many }, 'many');
     });
     const app = createHttp({ logger, isReady: () => true });
     app.get('/', () => ${fails});
     await app.inject('/');
     await redis.del('key-of-user-17');`,
    redisUrl,
  );
  t.same(
    lines.map(({ msg }) => msg),
    ['direct', 'child', 'cause', 'many', 'request failed'],
  );
  t.match(lines[0]?.['err'], { type: 'ReplyError', message: /^ERR /, stack: /ReplyError/ });
  t.match(lines[2]?.['err'], { type: 'Error', message: 'outer', cause: { type: 'ReplyError' } });
  t.notMatch(text, /user-17|idempotency-key-17|x-of-script|INCR|LPOP/i);
});

await test('whatever is thrown is told, and a cause that leads back to itself ends', async (t) => {
  t.equal(describeError('text'), 'text');
  t.equal(describeError(undefined), undefined);
  t.same(describeError({ password: 'swordfish' }), { type: 'Object', message: 'not an error' });
  t.same(describeError(Object.create(null)), { type: 'Object', message: 'not an error' });
  const loop = Object.assign(new TypeError('loop'), { code: 'CODE', detail: 'of a row' });
  loop.cause = loop;
  t.match(describeError(loop), { type: 'TypeError', code: 'CODE', cause: { message: 'loop' } });
  t.notMatch(JSON.stringify(describeError(loop)), /of a row/);
});
