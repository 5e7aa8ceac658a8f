/**
 * What one of each part can do, as measured, for `npm run plan`. A figure that is measured again replaces the
 * old one here, with its conditions. Nothing else in the plan is a number from experience.
 */
export interface Capacity {
  value: number;
  unit: string;
  source: string;
}

/** Three rounds on two shared cores, under a load of 3 before they began. */
const COMPARED = 'bench/results/2026-11-29-compare.md: everything on the same two cores, commit ee31fb0';

export const CAPACITY = {
  gatewayRequests: {
    value: 7_100,
    unit: 'requests/s of one gateway process on one core',
    source: `140 µs of CPU for an accepted reservation; ${COMPARED}`,
  },
  stockReservations: {
    value: 9_700,
    unit: 'reservations/s of one stock process with all its roles on one core',
    source: `103 µs of CPU for an accepted reservation, relay and settler included; ${COMPARED}`,
  },
  laneReservations: {
    value: 60_000,
    unit: 'reservations/s of one Redis, appendfsync always',
    source: `reserve.lua alone, 64 requests a call, pipelines of 128 requests on four connections, the lowest of 60,119 to 61,888; ${COMPARED}`,
  },
  intakeRows: {
    value: 9_500,
    unit: 'rows/s of one intake process into PostgreSQL, ledger and offsets included',
    source: `drain of a backlog with Kafka and PostgreSQL on the same two cores, the lowest of 9,569 to 11,827; ${COMPARED}`,
  },
  postgresRows: {
    value: 11_600,
    unit: 'rows/s of one core of PostgreSQL',
    source: `86 µs of CPU for an accepted reservation; ${COMPARED}`,
  },
  kafkaMessages: {
    value: 32_000,
    unit: 'reservations/s of one core of Kafka',
    source: `31 µs of CPU for an accepted reservation; ${COMPARED}`,
  },
  ledgerTransactions: {
    value: 970,
    unit: 'transactions/s on one row of the ledger',
    source: 'bench/results/2026-11-30-growth.md: four connections, on two busy cores',
  },
  outboxBytes: {
    value: 300,
    unit: 'bytes of Redis for an entry of the outbox',
    source: 'docs/operating/configuration.md, RELAY_OUTBOX_COUNT_MAX',
  },
} as const satisfies Record<string, Capacity>;
