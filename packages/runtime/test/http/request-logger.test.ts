// Goal: lines of a request have its id, and a request that writes none makes no logger.
// Method: a real app with a real pino, whose lines are read; children are counted at the pino.
import pino from 'pino';
import t from 'tap';
import { createHttp } from '../../src/http/http.ts';

interface Line {
  level: number;
  msg: string;
  reqId?: string;
  part?: string;
}

await t.test('a line has the id of its request, and only who writes pays for it', async (t) => {
  const lines: Line[] = [];
  const logger = pino({ level: 'debug' }, { write: (text) => lines.push(JSON.parse(text) as Line) });
  let children = 0;
  const make = Reflect.get(logger, 'child') as unknown as (
    this: pino.Logger,
    ...args: unknown[]
  ) => pino.Logger;
  Reflect.set(logger, 'child', function (this: pino.Logger, ...args: unknown[]) {
    children += 1;
    return make.apply(this, args);
  });
  const app = createHttp({ logger, isReady: () => true });
  app.get('/silent', async () => 'ok');
  app.get('/loud', async ({ log }) => {
    t.equal(log.level, 'debug');
    log.fatal('fatal');
    log.error({ err: new Error('x') }, 'error');
    log.warn('warn %s', 'this');
    log.info('info');
    log.debug('debug');
    log.trace('below the level');
    log.silent('never');
    log.child({ part: 'a' }).info('child');
    return 'ok';
  });
  app.get('/broken', async () => {
    throw new Error('broken');
  });
  t.teardown(() => app.close());
  await app.ready();
  lines.length = 0;
  const before = children;

  for (let asked = 0; asked < 10; asked += 1) await app.inject('/silent');
  t.equal(children, before, 'nobody wrote a line');

  await app.inject({ url: '/loud', headers: { 'x-request-id': 'mine' } });
  t.strictSame(
    lines.map(({ level, msg, reqId, part }) => [level, msg, reqId, part]),
    [
      [60, 'fatal', 'mine', undefined],
      [50, 'error', 'mine', undefined],
      [40, 'warn this', 'mine', undefined],
      [30, 'info', 'mine', undefined],
      [20, 'debug', 'mine', undefined],
      [30, 'child', 'mine', 'a'],
    ],
  );
  t.equal(children, before + 2, 'one logger for all lines, and the one that was asked for');

  await app.inject({ url: '/broken', headers: { 'x-request-id': 'yours' } });
  t.match(lines.at(-1), { level: 50, msg: 'request failed', reqId: 'yours' });
});
