// Goal: a disk that loses any part of the AOF's tail, cut anywhere, costs no promise that Kafka has (INV-2,
// INV-4). Method: rounds on one system, fifty at full size: buyers reserve, Redis is killed, its AOF is cut
// at a random byte, Redis starts again, and the keys of the round are repeated. In every fifth round the
// buyers go on through the kill.
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, openSale, untilOpen, untilStored } from '../support/aftermath.ts';
import { campaign } from '@seckill/testing';
import { aofFolder, connectRedis, cutTail } from '../support/redis.ts';
import { Rush } from '../support/rush.ts';
import { buildStack } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);
const ROUNDS = campaign({ short: 5, full: 50 });
/**
 * The longest cut goes back some rounds. Most cuts are far shorter, so that they fall into what was sold
 * last.
 */
const CUT_BYTES_MAX = 20_000;
const BURST = 6;

t.setTimeout(300_000);
await t.test(`the AOF's tail is cut at ${ROUNDS} random bytes (seed ${SEED})`, async (t) => {
  const client = await buildStack(t, 'redis-tail');
  const { engines: programs } = client.stack;
  const engines = new EngineReader(client.stack.info);
  t.teardown(() => engines.close());
  const folder = await aofFolder(connectRedis(t, client.stack.info.redis));
  await openSale(client, 'cut', { limitPerBuyer: 5 });
  const rush = new Rush({ client, saleId: 'cut', random, shoppers: 0 });

  let keys = 0;
  let rebuilt = 0;
  let { epoch } = await untilOpen(client, 'cut');
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(Array.from({ length: BURST }, () => rush.buyOnce()));
    await untilStored(engines, 'cut');
    await programs.kill('redis');
    const cut = cutTail(folder, random, CUT_BYTES_MAX);
    const late = round % 5 === 0 ? Array.from({ length: BURST }, () => rush.buyOnce()) : [];
    await programs.restart('redis');
    await Promise.all(late);
    const state = await untilOpen(client, 'cut');
    if (state.epoch > epoch) rebuilt += 1;
    epoch = state.epoch;
    const repeated = await rush.repeatKeys(keys);
    keys += repeated;
    t.same(rush.history.contradictions, [], `${cut} bytes cut: ${repeated} keys keep their answers`);
  }
  t.comment(`${rebuilt} of ${ROUNDS} cuts were loaded anew, the others lost nothing of the sale`);
  t.ok(rebuilt > 0, 'some cuts lost reservations');
  await judgeRush(t, { client, engines, rush });
});
