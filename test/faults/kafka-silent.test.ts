// Goal: connections to Kafka that went silent without closing are opened anew within two time-outs; what was
// promised meanwhile is stored and can be paid (INV-2). kafkajs keeps such a connection for ever: nothing was
// stored for more than six minutes. Method: all ways to Kafka pass a forwarder that loses the connections of
// one moment, while new ones work; a buyer before, one right behind, one later, and what is stored.
import { setTimeout as sleep } from 'node:timers/promises';
import { Pipes } from '@seckill/testing';
import t from 'tap';
import { makeBuyer, oneOf } from '../support/buyer.ts';
import { startKafkaByWay } from '../support/kafka-way.ts';
import { buildStack, createSale, untilRows } from '../support/stack.ts';

/** A request waits 10 s for its answer, twice where it follows another, and the group is joined anew. */
const BOUND_MS = 45_000;

t.setTimeout(180_000);
let target: URL | undefined;
const way = new Pipes(() => target);
t.teardown(() => way.close());
const port = await way.listen(0);
const kafka = await startKafkaByWay({
  name: `kafka-silent-${process.pid}`,
  port,
  aim: (url) => {
    target = url;
  },
});
t.teardown(() => kafka.stop());
const client = await buildStack(t, 'kafka-silent', {}, { KAFKA_BROKERS: `127.0.0.1:${port}` });

await t.test('connections that are lost without a word are opened anew', async (t) => {
  await createSale(client, 'silent');
  const buy = async (userId: string): Promise<number> => {
    const began = performance.now();
    const buyer = makeBuyer(client, userId);
    const reserved = await buyer.reserve('silent', oneOf('a'));
    if (!reserved.ok) throw new Error(`${userId}: ${reserved.code}`);
    let paid = await buyer.pay(reserved.value.id);
    while (!paid.ok && performance.now() - began < BOUND_MS) {
      await sleep(100);
      paid = await buyer.pay(reserved.value.id);
    }
    t.equal(paid.ok, true, `${userId} has paid`);
    return Math.round(performance.now() - began);
  };
  await buy('before');
  const accepted = way.accepted;
  way.lose();
  t.comment(`sold and paid ${await buy('behind')} ms after the connections were lost`);
  t.ok(way.accepted > accepted, 'new connections were opened');
  t.comment(`and the next in ${await buy('later')} ms`);
  await untilRows(client, 'silent', 3);
});
