// Goal: the gateway hears the states with no more rights than the documentation gives it. Method: a real
// Redis of the test's own, and the very ACL line of docs/operating/engines.md.
import { readFileSync } from 'node:fs';
import { CHANGES_CHANNEL, STATES_CHANNEL, type Announcement, type Change } from '@seckill/contracts';
import { createRegistry } from '@seckill/runtime';
import { startEngines } from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t from 'tap';
import { createMemoryMetrics } from '../../src/memory/metrics.ts';
import { startStateFeed } from '../../src/memory/state-feed.ts';

const until = untilWithin(15_000);

await t.test(
  'a user who may only subscribe and ask for the time hears the states, also after a break',
  async (t) => {
    const before = process.env['REDIS_URL'];
    Reflect.deleteProperty(process.env, 'REDIS_URL');
    t.teardown(() => {
      if (before !== undefined) process.env['REDIS_URL'] = before;
    });
    const engines = await startEngines({ name: `feed-${process.pid}`, anyName: true, only: ['redis'] });
    t.teardown(() => engines.stop());
    const admin = new Redis(engines.redis);
    t.teardown(() => {
      admin.disconnect();
    });
    const guide = readFileSync(new URL('../../../../docs/operating/engines.md', import.meta.url), 'utf8');
    const line = /^ACL (SETUSER gateway .*)$/m.exec(guide)?.[1] ?? '';
    await admin.call('ACL', ...line.replace('>SECRET', '>pass').split(' '));

    const url = new URL(engines.redis);
    url.username = 'gateway';
    url.password = 'pass';
    const heard: Announcement[] = [];
    const changes: Change[] = [];
    const metrics = createMemoryMetrics(createRegistry());
    const logger = pino({ enabled: false });
    const feed = startStateFeed(
      { url: url.href, isCluster: false },
      {
        onAnnouncement: (one) => heard.push(one),
        onChange: (one) => changes.push(one),
        logger,
        metrics,
      },
    );
    const { source } = feed;
    const { time } = source;
    t.teardown(() => {
      feed.close();
    });
    await until('it knows the time', () => time.bounds(performance.now()) !== undefined);
    const bounds = time.bounds(performance.now());
    const [seconds, microseconds] = await admin.time();
    const now = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    t.ok((bounds?.earliest ?? 0) <= now, 'Redis is not earlier than that');
    const later = time.bounds(performance.now());
    t.ok((later?.latest ?? 0) >= now, 'nor later');

    const announcement: Announcement = {
      saleId: 's',
      lane: 0,
      gate: 'open',
      epoch: 1,
      version: 1,
      sequence: 0,
      now: Math.floor(now),
      state: 'open',
      opensAt: 0,
      closesAt: 1,
      items: [],
      salt: '',
      reservations: [],
    };
    for (const text of ['', '{', 'null', JSON.stringify({ ...announcement, users: ['x'] })]) {
      await admin.publish(STATES_CHANNEL, text);
    }
    await admin.publish(STATES_CHANNEL, JSON.stringify(announcement));
    await until('the good one is heard', () => heard.length > 0);
    t.same(heard, [announcement], 'and nothing else');
    t.match((await metrics.announcements.get()).values, [
      { labels: { result: 'invalid' }, value: 4 },
      { labels: { result: 'heard' }, value: 1 },
    ]);

    const at = Math.floor(now) + 10_000;
    for (const text of [
      's:0 sold 1',
      's 1',
      '{}',
      `s:0 reserved ${at}`,
      JSON.stringify({ now: at, salt: 'x' }),
    ]) {
      await admin.publish(CHANGES_CHANNEL, text);
    }
    await until('the heartbeat is heard', () => source.vouchedTo('x') !== undefined);
    t.equal(source.vouchedTo('x'), at);
    t.equal(source.vouchedTo('y'), undefined, 'of this Redis alone');
    t.same(changes, [{ saleId: 's', lane: 0, what: 'reserved', at }], 'nothing else is a change');
    const { session } = source;

    await admin.call('CLIENT', 'KILL', 'USER', 'gateway');
    await until('it is back', async () => {
      await admin.publish(STATES_CHANNEL, JSON.stringify(announcement));
      return heard.length > 1 && time.bounds(performance.now()) !== undefined;
    });
    t.equal(source.vouchedTo('x'), undefined, 'nobody has vouched since');
    t.ok(source.session > session, 'and changes may have been missed');
  },
);
