/**
 * Plans the replicas, lanes, partitions and calendar of one sale. Each comes with the reckoning that led to
 * it.
 */
import { parseInstant, TOPICS, type SaleInput } from '@seckill/contracts';
import { CAPACITY } from './capacity.ts';
import { planMachines } from './machines.ts';

/** The figures are those of an idle machine and a warm process. A sale gets half of them. */
const HEADROOM = 0.5;

/** The demo's crowd: 65 in 100 come within the first second (crowd.ts, `arrival`). */
const FIRST_SECOND_SHARE = 0.65;

/**
 * The state of the sale in the gateway is pushed this often. Until a push comes, every request goes to stock.
 */
const STATE_MS = 250;

/** Time to start pods, fill pools and look at the metrics before the doors open. */
const LEAD_MINUTES = 15;

/** Orders shall be stored within this time after the last reservation. */
const STORED_SECONDS = 5;

/**
 * Connections to PostgreSQL of one replica, for each role of order (docs/operating/engines.md, "PostgreSQL").
 */
const CONNECTIONS = { http: 10, intake: 4, expiry: 1, relay: 2, webhooks: 3 };

/** Orders of one transaction of the intake, as `INTAKE_BATCH_COUNT_MAX` is by default. */
const INTAKE_BATCH_COUNT = 500;

const REPLICAS_MIN = 2;

/** `max_connections` of the components of PostgreSQL. */
const CONNECTIONS_MAX = 200;

const OUTBOX_COUNT_MAX = 100_000;

export interface Step {
  what: string;
  value: string;
  why: string;
}

export interface Plan {
  steps: Step[];
  warnings: string[];
  /** The part that is used most at this crowd, and what it takes; a sentence. */
  firstLimit: string;
  /** The trigger of KEDA's cron for gateway and stock-http, in UTC. */
  cron: { start: string; end: string; gateway: number; stock: number };
}

const many = (needed: number, each: number): number =>
  Math.max(REPLICAS_MIN, Math.ceil(needed / (each * HEADROOM)));

const number = (value: number): string => Math.round(value).toLocaleString('en-US');

/** `minute hour day month *` in UTC. */
function cronOf(at: number): string {
  const date = new Date(at);
  return `${date.getUTCMinutes()} ${date.getUTCHours()} ${date.getUTCDate()} ${date.getUTCMonth() + 1} *`;
}

export function planSale(sale: SaleInput, crowd: number, now: number): Plan {
  const units = sale.items.reduce((sum, { total = 0 }) => sum + total, 0);
  const peak = crowd * FIRST_SECOND_SHARE;
  const lane = CAPACITY.laneReservations.value * HEADROOM;
  const taken = Math.min(peak, lane);
  const sellOutSeconds = units / Math.max(1, taken);
  // What is written is all units, and what comes before the gateways have heard that the units are gone.
  const reaching = Math.min(peak, CAPACITY.laneReservations.value);
  const written = Math.min(crowd, units + (reaching * STATE_MS) / 1_000);
  const gateways = many(peak, CAPACITY.gatewayRequests.value);
  const stocks = many(taken, CAPACITY.stockReservations.value);
  const stored = units / (sellOutSeconds + STORED_SECONDS);
  const intakes = Math.min(TOPICS.reservations.partitions, many(stored, CAPACITY.intakeRows.value));
  const batches = units / INTAKE_BATCH_COUNT;
  const connections =
    REPLICAS_MIN * (CONNECTIONS.http + CONNECTIONS.expiry + CONNECTIONS.relay + CONNECTIONS.webhooks) +
    intakes * CONNECTIONS.intake;
  const machines = planMachines(
    { gateway: gateways, 'stock-http': stocks, 'order-intake': intakes },
    REPLICAS_MIN,
    stored,
  );
  const opensAt = parseInstant(sale.opensAt ?? '') ?? now;
  const closesAt = parseInstant(sale.closesAt) ?? opensAt;
  const lead = LEAD_MINUTES * 60_000;
  const steps: Step[] = [
    {
      what: 'peak',
      value: `${number(peak)} requests/s`,
      why: `${number(crowd)} buyers, ${FIRST_SECOND_SHARE * 100} in 100 of them in the first second, as the demo's crowd`,
    },
    {
      what: 'gateway',
      value: `${gateways} replicas`,
      why: `${number(peak)} / (${number(CAPACITY.gatewayRequests.value)} ${CAPACITY.gatewayRequests.unit} x ${HEADROOM})`,
    },
    {
      what: 'stock-http',
      value: `${stocks} replicas`,
      why: `${number(taken)} / (${number(CAPACITY.stockReservations.value)} ${CAPACITY.stockReservations.unit} x ${HEADROOM}); more would wait for the same Redis`,
    },
    {
      what: 'lanes',
      value: '1',
      why: `one a sale today; a Redis takes ${number(CAPACITY.laneReservations.value)} x ${HEADROOM} reservations/s, so ${number(units)} units need at least ${sellOutSeconds.toFixed(1)} s`,
    },
    {
      what: 'written',
      value: `${number(written)} requests reach Redis`,
      why: `${number(units)} units, and ${STATE_MS} ms of ${number(reaching)}/s until the gateways know that they are gone`,
    },
    {
      what: 'order-intake',
      value: `${intakes} replicas`,
      why: `${number(units)} orders within ${STORED_SECONDS} s of the last, at ${number(CAPACITY.intakeRows.value)} x ${HEADROOM} rows/s; the ledger's row takes ${number(batches)} batches, of ${number(FILLED_LEDGER)} a second`,
    },
    {
      what: 'partitions',
      value: String(TOPICS.reservations.partitions),
      why: 'of the topics of reservations and settlements (contracts, topics.ts); at least the replicas of intake and settler',
    },
    {
      what: 'relays, settler, expiry, order-http',
      value: `${REPLICAS_MIN} replicas each`,
      why: 'one works and one takes over; none is in the way of a reservation',
    },
    {
      what: 'PostgreSQL',
      value: `${connections} connections`,
      why: `${CONNECTIONS.http}, ${CONNECTIONS.intake}, ${CONNECTIONS.expiry}, ${CONNECTIONS.relay} and ${CONNECTIONS.webhooks} of each http, intake, expiry, relay and webhooks; max_connections is ${CONNECTIONS_MAX}`,
    },
    {
      what: 'outbox',
      value: `${number((units * CAPACITY.outboxBytes.value) / 1e6)} MB of Redis`,
      why: `should Kafka be away for the whole sale: ${number(units)} x ${CAPACITY.outboxBytes.value} bytes`,
    },
    {
      what: 'machines',
      value: `${machines.nodes} nodes: ${number(machines.cores)} cores, ${number(machines.gigabytes)} GB`,
      why: machines.why,
    },
  ];
  return {
    steps,
    firstLimit: firstLimitOf([
      {
        use: peak / lane,
        text: `the Redis that the sale lies on: it takes ${number(lane)} reservations/s, and the peak is ${number(peak)}. A sale has one lane, so more primaries help other sales only`,
      },
      {
        use: stored / (TOPICS.reservations.partitions * CAPACITY.intakeRows.value * HEADROOM),
        text: `the intakes: ${TOPICS.reservations.partitions} partitions let ${TOPICS.reservations.partitions} of them store at once, and ${number(stored)} orders/s are to be stored. Until all are, buyers see them from the hold`,
      },
      {
        use: stored / INTAKE_BATCH_COUNT / FILLED_LEDGER,
        text: `the ledger's row of an item: it takes ${number(FILLED_LEDGER)} transactions/s, each of up to ${INTAKE_BATCH_COUNT} orders`,
      },
      {
        use: connections / CONNECTIONS_MAX,
        text: `PostgreSQL's connections: ${connections} of ${CONNECTIONS_MAX}`,
      },
    ]),
    warnings: warningsOf({
      units,
      sellOutSeconds,
      peak,
      lane,
      windowSeconds: (closesAt - opensAt) / 1_000,
      opensAt,
      now,
    }),
    cron: { start: cronOf(opensAt - lead), end: cronOf(closesAt + lead), gateway: gateways, stock: stocks },
  };
}

const FILLED_LEDGER = CAPACITY.ledgerTransactions.value * HEADROOM;

/** The part that is used most, at this crowd. */
function firstLimitOf(limits: { use: number; text: string }[]): string {
  const [first] = limits.sort((left, right) => right.use - left.use);
  return `Nearest limit, used to ${number(100 * (first?.use ?? 0))} %: ${first?.text ?? ''}.`;
}

interface Reckoning {
  units: number;
  sellOutSeconds: number;
  peak: number;
  lane: number;
  windowSeconds: number;
  opensAt: number;
  now: number;
}

function warningsOf({ units, sellOutSeconds, peak, lane, windowSeconds, opensAt, now }: Reckoning): string[] {
  const warnings: string[] = [];
  if (peak > lane)
    warnings.push(
      'the peak is more than one Redis takes: buyers wait or hear `overloaded` until the units are gone',
    );
  if (sellOutSeconds > windowSeconds) warnings.push('the units cannot all be sold before closesAt');
  if (units > OUTBOX_COUNT_MAX)
    warnings.push(
      'more units than RELAY_OUTBOX_COUNT_MAX: without Kafka the sale stops at the bound; raise it, and maxmemory with it',
    );
  if (opensAt < now + LEAD_MINUTES * 60_000)
    warnings.push(`less than ${LEAD_MINUTES} minutes to the opening: scale by hand`);
  return warnings;
}
