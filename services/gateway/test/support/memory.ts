import type { Announcement, Change, FullState, Heartbeat, ReserveItem } from '@seckill/contracts';
import { createRegistry, saltedKeyHash } from '@seckill/runtime';
import { pino } from 'pino';
import { createMemoryMetrics } from '../../src/memory/metrics.ts';
import { SaleMemory } from '../../src/memory/sale-memory.ts';
import { StateSource } from '../../src/memory/state-source.ts';

/** What Redis' clock shows when the test begins. Our clock shows 0 then. */
export const START = 1_800_000_000_000;

const SALT = 'one-redis';
/** Every user reserves under this key. */
export const KEY = 'k';

function encode(users: string[], salt: string): string {
  const bytes = Buffer.alloc(4 * users.length);
  for (const [index, user] of users.entries()) {
    bytes.writeUInt32LE(saltedKeyHash(salt, user, KEY), 4 * index);
  }
  return bytes.toString('base64');
}

export const reserved = (users: [number, string][], salt = SALT) =>
  users.flatMap(([sequence, user]) => [sequence, saltedKeyHash(salt, user, KEY)]);

export function build() {
  let now = 0;
  const source = new StateSource();
  const { time } = source;
  time.read(START, 0, 0);
  source.begin(START - 1);
  const asked: string[] = [];
  const answers: ((full: FullState) => void)[] = [];
  const metrics = createMemoryMetrics(createRegistry());
  const memory = new SaleMemory({
    now: () => now,
    readFull: (saleId) => {
      asked.push(saleId);
      return new Promise((resolve) => answers.push(resolve));
    },
    logger: pino({ enabled: false }),
    metrics,
  });
  /** An item that is sold out: one unit is held, and none is left. */
  const announcement = (patch: Partial<Announcement> = {}): Announcement => ({
    saleId: 'oranges',
    lane: 0,
    gate: 'open',
    epoch: 1,
    version: 1,
    sequence: 1,
    now: START + now,
    state: 'open',
    opensAt: START - 1_000,
    closesAt: START + 600_000,
    items: [
      { sku: 'a', total: 5, available: 0, held: 1 },
      { sku: 'b', total: 5, available: 1, held: 3 },
      { sku: 'c', total: 5, available: 0, held: 0 },
      { sku: 'd', total: 0, available: 0, held: 0 },
    ],
    salt: SALT,
    reservations: [],
    ...patch,
  });
  return {
    memory,
    source,
    time,
    /** Stock vouches for the Redis at this instant of its clock. */
    beat: (patch: Partial<Heartbeat> = {}) => {
      source.hear({ now: START + now, salt: SALT, ...patch });
    },
    /** A script has changed the sale now. */
    change: (patch: Partial<Change> = {}) => {
      const change = { saleId: 'oranges', lane: 0, what: 'settled' as const, at: START + now, ...patch };
      source.note(change.at);
      memory.noteChange(change, source);
    },
    asked,
    announcement,
    advance: (ms: number) => {
      now += ms;
      // The feed calls it in the same way.
      time.read(START + now, now, now);
    },
    /** Our clock goes on, and nobody reads Redis' clock meanwhile. */
    advanceBlind: (ms: number) => {
      now += ms;
    },
    hear: (patch: Partial<Announcement> = {}) => {
      memory.learn(announcement(patch), source);
    },
    /** Stock answers the oldest question. */
    tellAll: async (patch: Partial<FullState> = {}, users: string[] | null = ['u1']) => {
      const { reservations: _told, ...state } = announcement();
      const full = { ...state, outbox: 0, items: [], channels: ['x'], ...patch };
      answers.shift()?.(users === null ? full : { ...full, reservations: encode(users, full.salt) });
      await new Promise((resolve) => setImmediate(resolve));
    },
    ask: (patch: Partial<ReserveItem> = {}) =>
      memory.answer({
        saleId: 'oranges',
        userId: 'stranger',
        idempotencyKey: KEY,
        lines: [{ sku: 'a', quantity: 1 }],
        ...patch,
      }),
  };
}

/** A memory that knows the sale: u1 has reserved, and all is sold out. */
export async function buildFilled(patch: Partial<Announcement> = {}) {
  const built = build();
  built.hear(patch);
  built.ask({ channelId: 'x' });
  await built.tellAll(patch.epoch === undefined ? {} : { epoch: patch.epoch });
  return built;
}

/** A rejection of which one line is short. `retryable` says that its units may come back. */
export function shortOf(
  sku: string,
  available: number,
  flags: { final?: boolean; retryable?: boolean } = {},
) {
  const lines = [{ sku, code: 'sold_out', available }];
  return { outcome: 'sold_out', sku, available, final: false, retryable: true, ...flags, lines };
}

export const soldOut = shortOf('a', 0);
