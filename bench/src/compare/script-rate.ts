import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { once } from 'node:events';
import type { ControlState } from '@seckill/contracts';
import { chunksOf, createLogger, createRedis, readRunId } from '@seckill/runtime';
import { startEngines } from '@seckill/stack';
import { laneKeys, scriptKeys } from '@seckill/stock/redis/keys';
import { makeRandoms } from '@seckill/stock/redis/reservation-id';
import { RESERVE_CALL_COUNT_MAX, toReserveArguments } from '@seckill/stock/reserve/calls';
import { buildScript, defineScripts } from '@seckill/stock/redis/scripts';
import type { Redis } from 'ioredis';
import type { Comparison } from './comparison.ts';

/** Requests in one pipeline. */
const PIPELINE_COUNT = 128;
/** With this many connections Redis always has the next pipeline in hand while one answer is read. */
const CONNECTIONS = 4;
const TOTAL = 10_000_000;
const EPOCH = 1;
/** An instant that never comes. */
const DEADLINE = 4_000_000_000_000;

const MINIMAL = `#!lua
if tonumber(redis.call('GET', KEYS[1])) < tonumber(ARGV[1]) then return 0 end
redis.call('DECRBY', KEYS[1], ARGV[1])
return 1`;

/**
 * The scripts that are measured. The last one tells what taking many requests in a call is worth. No figure
 * is made of it.
 */
const SCRIPTS = ['reserve', 'minimal', 'reserve one by one'] as const;

/**
 * Measures two rates on a Redis of its own with the same settings. The first is the requests a second that
 * reserve.lua decides, with one line, a limit and a channel cap, as many in a call as stock sends. The second
 * is the calls a second of a script that only checks and decrements. Both are pipelined, 128 requests at once
 * on each connection. No service asks for a core meanwhile. The commands are made before the clock runs.
 * Answers are not parsed, except for an ECHO that ends each pipeline, so that Redis is measured and not a
 * client.
 */
export async function compareScripts({ scale, samples, log }: Comparison): Promise<void> {
  const engines = await startEngines({ name: `bench-script-${process.pid}`, only: ['redis'], anyName: true });
  const redis = createRedis(engines.redis, createLogger('bench', 'warn'));
  try {
    defineScripts(redis);
    await redis.connect();
    for (let round = 0; round <= scale.rounds; round += 1) {
      for (const name of round % 2 === 1 ? SCRIPTS : [...SCRIPTS].reverse()) {
        const perSecond = await measureScript(name, redis, engines.redis, scale.scriptCalls);
        // The first round only warms up.
        if (round === 0) continue;
        samples.add(`${name} script`, perSecond);
        log(`round ${round}  ${name} script: ${perSecond.toFixed(0)} requests a second`);
      }
    }
  } finally {
    redis.disconnect();
    await engines.stop();
  }
}

function measureScript(
  name: (typeof SCRIPTS)[number],
  redis: Redis,
  url: string,
  calls: number,
): Promise<number> {
  if (name === 'minimal') return measureMinimal(redis, url, calls);
  return measureReserve(redis, url, calls, name === 'reserve' ? RESERVE_CALL_COUNT_MAX : 1);
}

async function measureReserve(redis: Redis, url: string, calls: number, callCount: number): Promise<number> {
  const lane = { saleId: `script-${randomBytes(5).toString('hex')}`, lane: 0 };
  const runId = await readRunId(redis);
  await openLane(redis, lane, runId);
  const hash = await loadScript(redis, buildScript('reserve'));
  const keys = scriptKeys('reserve', lane);
  const requests = makeRandoms(calls).map((random, index) =>
    toReserveArguments(
      {
        userId: `script-${String(index).padStart(9, '0')}`,
        idempotencyKey: randomUUID(),
        channelId: 'group',
        lines: [{ sku: 'unit', quantity: 1 }],
      },
      random,
    ),
  );
  const commands = chunksOf(requests, callCount).map((chunk) =>
    encode(['EVALSHA', hash, keys.length, ...keys, runId, TOTAL, DEADLINE, ...chunk.flat()]),
  );
  const seconds = await sendAll(url, commands, PIPELINE_COUNT / callCount);
  const holds = await redis.hlen(laneKeys(lane).holds);
  if (holds !== calls) throw new Error(`reserve.lua took ${holds} units for ${calls} requests`);
  return calls / seconds;
}

async function measureMinimal(redis: Redis, url: string, calls: number): Promise<number> {
  const key = `{script}:${randomBytes(5).toString('hex')}`;
  await redis.set(key, TOTAL);
  const command = encode(['EVALSHA', await loadScript(redis, MINIMAL), '1', key, '1']);
  const seconds = await sendAll(url, Array<Buffer>(calls).fill(command), PIPELINE_COUNT);
  const taken = TOTAL - Number(await redis.get(key));
  if (taken !== calls) throw new Error(`the minimal script took ${taken} units in ${calls} calls`);
  return calls / seconds;
}

/** Opens a lane the way stock loads a new sale. */
async function openLane(redis: Redis, lane: { saleId: string; lane: number }, runId: string): Promise<void> {
  const control: ControlState = {
    saleId: lane.saleId,
    version: 1,
    distrustedEpoch: 0,
    state: 'open',
    lanes: 1,
    opensAt: 1,
    closesAt: Date.now() + 86_400_000,
    holdMs: 3_600_000,
    limitPerBuyer: 2,
    currency: 'CNY',
    items: [{ sku: 'unit', price: 2_990, total: TOTAL }],
    channels: [{ id: 'group', cap: TOTAL }],
  };
  const [, , , fence] = await redis.close(scriptKeys('close', lane), runId, '0');
  const [loaded] = await redis.load(scriptKeys('load', lane), EPOCH, 0, '1', JSON.stringify(control));
  const [opened] = await redis.open(scriptKeys('open', lane), runId, EPOCH, 0, Number(fence));
  if (loaded !== 'loaded' || opened !== 'opened')
    throw new Error(`the lane: ${loaded ?? ''}, ${opened ?? ''}`);
}

async function loadScript(redis: Redis, source: string): Promise<string> {
  await redis.script('LOAD', source);
  return createHash('sha1').update(source).digest('hex');
}

/** Encodes one command in RESP, as an array of bulk strings. */
function encode(words: (string | number)[]): Buffer {
  const bulks = words.map(String).map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${bulks.join('')}`);
}

/** Sends all commands. @returns the seconds that this took. */
async function sendAll(url: string, commands: Buffer[], pipelineCount: number): Promise<number> {
  const marker = randomBytes(12).toString('hex');
  const pipelines: Buffer[] = [];
  for (const chunk of chunksOf(commands, pipelineCount)) {
    pipelines.push(Buffer.concat([...chunk, encode(['ECHO', marker])]));
  }
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(url)));
  const startedAt = performance.now();
  await Promise.all(sockets.map((socket) => pump(socket, pipelines, marker)));
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const socket of sockets) socket.destroy();
  return seconds;
}

async function connect(url: string): Promise<Socket> {
  const { hostname, port, username, password } = new URL(url);
  const socket = createConnection(Number(port), hostname);
  socket.setNoDelay(true);
  await once(socket, 'connect');
  if (password !== '') {
    const login = [username, password].filter((word) => word !== '').map(decodeURIComponent);
    socket.write(encode(['AUTH', ...login]));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    if (!answer.toString().startsWith('+OK')) throw new Error('Redis refuses the password');
  }
  return socket;
}

/**
 * Sends one pipeline after the other until none is left. A pipeline ends when the marker at the end of its
 * answers has come.
 */
function pump(socket: Socket, pipelines: Buffer[], marker: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sendNext = () => {
      const next = pipelines.pop();
      if (next === undefined) resolve();
      else socket.write(next);
    };
    let tail = '';
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error('Redis closed the connection'));
    });
    socket.on('data', (chunk: Buffer) => {
      // An answer that begins with "-" is an error. The counts at the end would show that something failed,
      // but this text tells why.
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 64))).slice(-64);
      if (chunk[0] === 45) reject(new Error(chunk.toString('latin1', 0, 100)));
      if (tail.endsWith(`${marker}\r\n`)) {
        tail = '';
        sendNext();
      }
    });
    sendNext();
  });
}
