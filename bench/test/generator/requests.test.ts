// Goal: what the generator sends is what the scenario asks for. Method: plans and requests made without a
// server; the tokens are checked by jose, which the gateway uses.
import { jwtVerify } from 'jose';
import t from 'tap';
import { expectedCount, planArrivals } from '../../src/generator/arrivals.ts';
import type { Plan } from '../../src/generator/load-plan.ts';
import { seededRandom } from '../../src/random.ts';
import { RequestMaker } from '../../src/generator/requests.ts';
import { createTokenSigner } from '../../src/target/token-signer.ts';

const SECRET = 'another secret, also 32 characters';

const within = (instants: Float64Array, from: number, to: number) =>
  instants.filter((at) => at >= from && at < to).length;

await t.test('every shape of arrivals has its count, in order, within its time', async (t) => {
  const shapes = [
    { shape: 'constant', perSecond: 500, durationMs: 4_000 },
    { shape: 'poisson', perSecond: 500, durationMs: 4_000 },
    { shape: 'ramp', fromPerSecond: 0, toPerSecond: 1_000, durationMs: 4_000 },
    { shape: 'spike', count: 2_000, share: 0.75, withinMs: 1_000, durationMs: 4_000 },
  ] as const;
  for (const arrivals of shapes) {
    const instants = planArrivals(arrivals, seededRandom(1));
    // The count is a Poisson one with a standard deviation of 45. The bound is five of them.
    t.ok(Math.abs(instants.length - expectedCount(arrivals)) <= 225, `${arrivals.shape}: ${instants.length}`);
    t.ok(
      instants.every((at, index) => at >= (instants[index - 1] ?? 0)),
      `${arrivals.shape} ascends`,
    );
    t.ok(
      instants.every((at) => at < 4_000),
      `${arrivals.shape} ends in time`,
    );
  }
  const ramp = planArrivals(shapes[2], seededRandom(1));
  t.ok(Math.abs(within(ramp, 0, 2_000) - 500) <= 2, 'a ramp has a quarter of its arrivals in the first half');
  const spike = planArrivals(shapes[3], seededRandom(1));
  t.ok(within(spike, 0, 1_000) >= 1_500, 'a spike has its share at the beginning');
  t.same(
    planArrivals(shapes[1], seededRandom(9)),
    planArrivals(shapes[1], seededRandom(9)),
    'a seed repeats',
  );
  t.throws(
    () => planArrivals({ shape: 'constant', perSecond: 1e6, durationMs: 1e6 }, seededRandom(1)),
    RangeError,
  );
});

await t.test('our tokens are those of jose', async (t) => {
  const token = createTokenSigner(SECRET)('u1', 'sale:admin');
  const { payload } = await jwtVerify(token, new TextEncoder().encode(SECRET), { algorithms: ['HS256'] });
  t.match(payload, { sub: 'u1', scope: 'sale:admin' });
  await t.rejects(jwtVerify(token, new TextEncoder().encode('not the same secret, 32 characters')));
});

function planWith(traffic: Partial<Plan['traffic']>): Plan {
  return {
    url: 'http://127.0.0.1:1',
    saleId: 's',
    jwtSecret: SECRET,
    model: { kind: 'closed', connections: 1, durationMs: 1 },
    traffic: {
      skus: ['a', 'b'],
      channelIds: ['c'],
      quantityMax: 1,
      browseShare: 0,
      payShare: 0,
      taggedShare: 0,
      hotShare: 0,
      sendsPerKey: 1,
      ...traffic,
    },
    warmUpMs: 0,
    seed: 3,
    historyFile: '',
  };
}

await t.test(
  'each reservation has a user of 16 characters, a token and a key of 36 of its own',
  async (t) => {
    const maker = new RequestMaker(planWith({}));
    maker.signBefore(100);
    const requests = Array.from({ length: 200 }, () => maker.next());
    t.equal(new Set(requests.map(({ userId }) => userId)).size, 200);
    t.equal(new Set(requests.map(({ subject }) => subject)).size, 200);
    t.ok(requests.every(({ userId, subject }) => userId.length === 16 && subject.length === 36));
    const last = requests.at(-1);
    const { payload } = await jwtVerify(
      last?.headers['authorization']?.slice('Bearer '.length) ?? '',
      new TextEncoder().encode(SECRET),
    );
    t.equal(payload.sub, last?.userId, 'also beyond those signed before');
  },
);

await t.test('shares of hot, repeated, reading and paying requests are as planned', async (t) => {
  const hot = new RequestMaker(planWith({ hotShare: 0.5 }));
  const users = Array.from({ length: 2_000 }, () => hot.next().userId);
  const hottest = users.filter((user) => user.startsWith('hot-')).length;
  t.ok(hottest > 850 && hottest < 1_150, `${hottest} of 2,000`);

  const repeating = new RequestMaker(planWith({ sendsPerKey: 4 }));
  const keys = Array.from({ length: 40 }, () => repeating.next().subject);
  t.equal(new Set(keys).size, 10);

  const reading = new RequestMaker(planWith({ browseShare: 1, taggedShare: 0.5 }));
  t.same(reading.next().headers, {}, 'no tag was seen yet');
  reading.saw('W/"1"');
  reading.saw(undefined);
  const tagged = Array.from({ length: 1_000 }, () => reading.next().headers['if-none-match']);
  const withTag = tagged.filter((tag) => tag === 'W/"1"').length;
  t.ok(withTag > 420 && withTag < 580, `${withTag} name the tag`);

  const mixed = new RequestMaker(planWith({ browseShare: 0.5, payShare: 0.2 }));
  const kinds = Array.from({ length: 1_000 }, () => {
    const { kind, userId } = mixed.next();
    if (kind === 'reserve') mixed.reserved(`order of ${userId}`, userId);
    return kind;
  });
  const count = (kind: string) => kinds.filter((one) => one === kind).length;
  t.ok(count('browse') > 420 && count('browse') < 580, `${count('browse')} read`);
  t.ok(count('pay') > 130 && count('pay') < 270, `${count('pay')} pay`);
});
