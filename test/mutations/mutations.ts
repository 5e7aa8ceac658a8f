/** A defect that somebody might make, as a change of the source, and the proof that must find it. */
export interface Mutation {
  name: string;
  /** What the code does wrong with it, in words. */
  defect: string;
  /** Texts that stand once in their file. */
  edits: { file: string; find: string; replace: string }[];
  /** Tried in this order, until one fails. */
  by: readonly Proof[];
}

/**
 * `model`: the scripts against their plain model, by random histories (`npm run test:model`). `fire`: the
 * whole system under fire (`npm run test:fire`).
 */
export type Proof = 'model' | 'fire';

const RESERVE = 'scripts/lua/reserve.lua';
const SETTLE = 'scripts/lua/settle.lua';
const LOAD = 'scripts/lua/load.lua';
const OPENER = 'services/stock/src/recovery/lane-opener.ts';
const OPEN_EPOCH = 'services/order/src/recovery/open-epoch.ts';
const INTAKE = 'services/order/src/intake/intake-store.ts';

const one = (file: string, find: string, replace: string): Mutation['edits'] => [{ file, find, replace }];

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'key-check-dropped',
    defect: 'a repeated key takes units again (INV-4)',
    edits: one(
      RESERVE,
      'local known = held[number] or ended[number] or recordOf[keyHash]',
      'local known = recordOf[keyHash]',
    ),
    by: ['model'],
  },
  {
    name: 'one-unit-too-many',
    defect: 'one unit more than there is can be taken (INV-1)',
    edits: one(RESERVE, 'elseif item.available < units then', 'elseif item.available + 1 < units then'),
    by: ['model'],
  },
  {
    name: 'limit-dropped',
    defect: 'a buyer at the limit may take more (INV-6)',
    edits: one(
      RESERVE,
      'local isOverLimit = limitUnits and buyer.units + quantity > limitUnits',
      'local isOverLimit = limitUnits and buyer.units > limitUnits',
    ),
    by: ['model'],
  },
  {
    name: 'cap-dropped',
    defect: 'a channel may sell more than its cap (INV-6)',
    edits: one(
      RESERVE,
      'if cap and channel.units + quantity > cap then',
      'if cap and channel.units > cap then',
    ),
    by: ['model'],
  },
  {
    name: 'write-before-the-last-validation',
    defect: 'reserve.lua writes before its last validation, and refuses all the same',
    edits: one(
      RESERVE,
      '  if at > deadline then\n',
      "  redis.call('HINCRBY', stateKey, 'sequence', 1)\n  if at > deadline then\n",
    ),
    by: ['model'],
  },
  {
    name: 'deadline-ignored',
    defect: 'units are taken for a caller who has stopped waiting',
    edits: one(RESERVE, '  if at > deadline then\n', '  if at > deadline + 60000 then\n'),
    by: ['model', 'fire'],
  },
  {
    name: 'settlement-not-idempotent',
    defect: 'a settlement that comes twice gives its units back twice (INV-3)',
    edits: one(SETTLE, "redis.call('HDEL', holdsKey, keyHash)\n", ''),
    by: ['model'],
  },
  {
    name: 'returned-unit-counted-twice',
    defect: 'a hold that ends gives back twice its units (INV-3)',
    edits: one(SETTLE, 'fields[place + 1], other + units', 'fields[place + 1], other + 2 * units'),
    by: ['model'],
  },
  {
    name: 'buyer-not-counted-down',
    defect: 'whoever cancelled stays at the limit (INV-6)',
    edits: one(SETTLE, 'buyer.units = buyer.units - quantity', 'buyer.units = buyer.units'),
    by: ['model'],
  },
  {
    name: 'run-id-gate-dropped',
    defect: 'a lane sells on under another Redis than it was opened under',
    edits: one(
      'scripts/lua/include/gateOf.lua',
      "if openedRunId ~= runId .. ':' .. LAYOUT and openedRunId ~= runId .. ':' .. STAMPED_LAYOUT then",
      'if false then',
    ),
    by: ['model', 'fire'],
  },
  {
    name: 'outbox-deleted-at-rebuild',
    defect: 'a load removes entries that were never published (INV-2)',
    edits: one(
      LOAD,
      "    return { 'outbox_not_empty' }\n",
      "    redis.call('XTRIM', outboxKey, 'MAXLEN', 0)\n",
    ),
    by: ['model', 'fire'],
  },
  {
    name: 'load-does-not-raise-the-epoch',
    defect: 'a rebuilder that slept loads its older snapshot over a newer one',
    edits: one(LOAD, 'if laneEpoch >= epoch then', 'if laneEpoch > epoch + 1000 then'),
    by: ['model', 'fire'],
  },
  {
    name: 'open-without-fence',
    defect: 'a permission of before another closing opens the lane',
    edits: one(
      'scripts/lua/open.lua',
      "(laneFence or '0') ~= fence or laneSequence ~= sequence or redis.call('XLEN', outboxKey) > 0",
      'false',
    ),
    by: ['model', 'fire'],
  },
  {
    name: 'trim-before-confirmation',
    defect: 'the relay removes entries before Kafka has them (INV-2)',
    edits: one(
      'services/stock/src/relay/lane-relay.ts',
      '      await publisher.publish(TOPICS.reservations, RESERVATION_CREATED, part);\n',
      `      await this.#trim(readable[published + part.length - 1]);
      await publisher.publish(TOPICS.reservations, RESERVATION_CREATED, part);\n`,
    ),
    by: ['fire'],
  },
  {
    name: 'unanswered-partition-accepted',
    defect: 'what Kafka did not confirm counts as published (INV-2)',
    edits: [
      {
        file: 'packages/runtime/src/kafka/publisher.ts',
        find: 'await producer.send({ topic: topic.name, acks: -1, timeout: 5_000, messages: records });',
        replace: `await producer
    .send({ topic: topic.name, acks: -1, timeout: 5_000, messages: records })
    .catch(() => []);`,
      },
      {
        file: 'packages/runtime/src/kafka/publisher.ts',
        find: 'if (expected.size > 0) {',
        replace: 'if (expected.size > 1_000) {',
      },
    ],
    by: ['fire'],
  },
  {
    name: 'offset-before-the-rows',
    defect: 'the intake stores the offset before the rows (INV-2)',
    edits: one(
      INTAKE,
      '      return await transaction(pool, (client) => storeChunks(client, chunks, wholeSales));\n',
      `      await transaction(pool, (client) => writeOffsets(client, chunks));
      return await transaction(pool, (client) => storeChunks(client, chunks, wholeSales));\n`,
    ),
    by: ['fire'],
  },
  {
    name: 'early-notice-dropped',
    defect: 'money that came before its order is not applied to it (INV-5)',
    edits: one(
      INTAKE,
      '    newOrders.map(({ reservationId, amount }) => ({ id: reservationId, amount })),\n',
      '    newOrders.slice(newOrders.length).map(({ reservationId, amount }) => ({ id: reservationId, amount })),\n',
    ),
    by: ['fire'],
  },
  {
    name: 'expiry-without-its-condition',
    defect: 'expiry ends orders that were paid (INV-5)',
    edits: [
      {
        file: 'services/order/src/ledger/settlement.ts',
        find: "const DUE = `status = 'pending'\n",
        replace: "const DUE = `status IN ('pending', 'paid')\n",
      },
      {
        file: 'services/order/src/ledger/settlement.ts',
        find: "     FROM due WHERE orders.id = due.id AND orders.status = 'pending'\n",
        replace: '     FROM due WHERE orders.id = due.id\n',
      },
    ],
    by: ['fire'],
  },
  {
    name: 'old-epoch-opened',
    defect: 'order opens a lane of an older epoch, or of one that it distrusts',
    edits: one(
      OPEN_EPOCH,
      "  if (epoch !== sale.epoch || (await isDistrusted(client, saleId, epoch))) return 'superseded';\n",
      "  if (epoch > sale.epoch && (await isDistrusted(client, saleId, epoch))) return 'superseded';\n",
    ),
    by: ['fire'],
  },
  {
    name: 'sequence-not-compared',
    defect: 'order opens a lane that lost reservations which are stored',
    edits: one(OPEN_EPOCH, "  if (sequence < storedSequence) return 'behind';\n", ''),
    by: ['fire'],
  },
  {
    name: 'marks-not-compared',
    defect: 'a lane opens below what buyers were told',
    edits: one(
      OPENER,
      'if (!state.isLoaded || marks.isAhead(lane, state)) return false;',
      'if (!state.isLoaded) return false;',
    ),
    by: ['fire'],
  },
  {
    name: 'opened-without-settling-again',
    defect: 'what ended while a lane was loaded keeps its units (INV-3)',
    edits: one(
      OPENER,
      '        (await settleEndedSince(this.#deps, lane, since)) && (await settleReturned(this.#deps, lane));\n',
      '        since !== undefined && (await settleReturned(this.#deps, lane));\n',
    ),
    by: ['fire'],
  },
  {
    name: 'memory-without-its-conditions',
    defect: 'the gateway says "no" to keys that have reserved (INV-4)',
    edits: one(
      'services/gateway/src/memory/sale-memory.ts',
      'sale.reservations.hasKey(item.userId, item.idempotencyKey)',
      "item.idempotencyKey === ''",
    ),
    by: ['fire'],
  },
  {
    name: 'webhook-marked-before-it-is-sent',
    defect: 'a delivery counts as told when its attempt begins',
    edits: one(
      'services/order/src/webhooks/delivery-store.ts',
      '     SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3)\n',
      `     SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3),
       state = 'delivered', ended_at = clock_timestamp()\n`,
    ),
    by: ['fire'],
  },
];
