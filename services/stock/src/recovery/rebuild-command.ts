import { SaleId } from '@seckill/contracts';
import {
  CommandError,
  ConfigReader,
  connectKafka,
  createKafka,
  createLogger,
  createProducer,
  createPublisher,
  createRegistry,
  type KafkaSettings,
  print,
  readKafkaSettings,
  readStackFile,
  runCommand,
  stackName,
  systemClock,
  type RedisAddress,
  UsageError,
  type Values,
} from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import { HighWaterMarks } from './high-water-marks.ts';
import { Connections } from '../redis/connections.ts';
import { LaneError } from './lane-error.ts';
import { LaneOpener } from './lane-opener.ts';
import { createKafkaOffsets } from '../kafka-offsets.ts';
import { LANES_PER_SALE, type Lane } from '../redis/keys.ts';
import { createGateMetrics } from './metrics.ts';
import { OrderClient } from '../order-client.ts';

const HELP = `Usage: npm run rebuild -- <saleId> [options]
Closes a sale in Redis, loads it anew from what PostgreSQL stores, under the next epoch, and opens it again. While it runs
buyers hear sale_unavailable. Nothing that is stored or on its way is lost: the outbox is emptied by the relay first, and
reservations that only Redis knows are published again. The services must run. Stock does the same by itself when Redis
restarted, lost something or sold what does not exist; this is for when an audit says that both sides differ.

  --name NAME     services and engines of .run/NAME/stack.json; without it REDIS_URL, REDIS_CLUSTER, KAFKA_BROKERS,
                  ORDER_URL and STOCK_TOKEN, or else the stack "default" (--stack is the same)
  --help          this text

Exit code: 0 open again, 1 failed (repeat: it goes on where it can), 2 wrong usage.`;

/** A step that waits for another process or for the intake is repeated this often, a second apart. */
const ATTEMPTS_MAX = 60;

/** Addresses of the services and engines that a rebuild works with. */
interface Addresses {
  redis: RedisAddress;
  kafka: KafkaSettings;
  orderUrl: string;
  stockToken: string;
}

function findAddresses(stack: string | undefined): Addresses {
  const isConfigured = (process.env['REDIS_URL'] ?? process.env['REDIS_URL_FILE'] ?? '') !== '';
  if (stack === undefined && isConfigured) {
    const reader = new ConfigReader(process.env);
    const addresses = {
      redis: {
        url: reader.url('REDIS_URL', ['redis', 'rediss']),
        isCluster: reader.boolean('REDIS_CLUSTER'),
      },
      kafka: readKafkaSettings(reader),
      orderUrl: reader.url('ORDER_URL', ['http', 'https']),
      stockToken: reader.secret('STOCK_TOKEN'),
    };
    reader.done();
    return addresses;
  }
  const info = readStackFile(stack ?? 'default', ['redis', 'kafka', 'order', 'stockToken']);
  return {
    redis: { url: info.redis, isCluster: info.isRedisCluster === true },
    kafka: { brokers: info.kafka.split(',') },
    orderUrl: info.order,
    stockToken: info.stockToken,
  };
}

/** The same lane opener as in the role `http`, with progress instead of metrics. */
async function rebuild(lane: Lane, addresses: Addresses): Promise<void> {
  const logger = createLogger('rebuild', 'silent');
  const connections = new Connections(addresses.redis, logger);
  const orderClient = new OrderClient({ url: addresses.orderUrl, token: addresses.stockToken });
  const kafka = createKafka(addresses.kafka, 'seckill-stock-rebuild', logger);
  const producer = createProducer(kafka);
  const offsets = createKafkaOffsets(kafka, logger);
  const stop = new AbortController();
  try {
    await connections.start();
    await connectKafka(() => producer.connect(), stop.signal, logger);
    let last = '';
    const opener = new LaneOpener({
      connections,
      orderClient,
      offsets,
      publisher: createPublisher(producer),
      marks: new HighWaterMarks(),
      clock: systemClock,
      logger,
      metrics: createGateMetrics(createRegistry()),
      onStep: (step) => {
        if (step !== last) print(`${lane.saleId}, lane ${lane.lane}: ${step}`);
        last = step;
      },
    });
    const { epoch } = await opener.readState(lane);
    await openAgain(opener, lane, epoch);
    const after = await opener.readState(lane);
    print(`${lane.saleId}, lane ${lane.lane}: open, epoch ${after.epoch}`);
  } finally {
    stop.abort();
    await Promise.allSettled([offsets.close(), producer.disconnect(), orderClient.close()]);
    await connections.close();
  }
}

/**
 * Whatever opens it loads it above the epoch it stood at: a repeat does not rebuild what an attempt has
 * rebuilt.
 */
async function openAgain(opener: LaneOpener, lane: Lane, distrustedEpoch: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await opener.open(lane, { distrustedEpoch });
      return;
    } catch (error) {
      const isGone = error instanceof Error && 'code' in error && error.code === 'SECKILL_ORDER_GONE';
      if (isGone) throw new CommandError(`order knows no sale ${lane.saleId}, or has retired it`);
      if (attempt === ATTEMPTS_MAX) throw error;
      const isKept = error instanceof LaneError && error.code === 'SECKILL_LANE_KEPT';
      const reason = error instanceof Error ? error.message : String(error);
      print(`${lane.saleId}, lane ${lane.lane}: ${isKept ? 'waiting, ' : 'once more: '}${reason}`);
      await systemClock.sleep(1_000);
    }
  }
}

const OPTIONS = { name: stackName };

async function main(values: Values<typeof OPTIONS>, [saleId]: string[]): Promise<undefined> {
  if (saleId === undefined) throw new UsageError('one sale id is needed');
  const isSaleId: boolean = Compile(SaleId).Check(saleId);
  if (!isSaleId) throw new UsageError(`"${saleId}" is no sale id`);
  const addresses = findAddresses(values.name);
  for (let lane = 0; lane < LANES_PER_SALE; lane += 1) await rebuild({ saleId, lane }, addresses);
}

await runCommand({ help: HELP, options: OPTIONS, wordsMax: 1 }, main);
