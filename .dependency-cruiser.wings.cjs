/**
 * The wings of each src, its first folders, and which other wings each of them may import. The files on top
 * assemble the wings, so they may import any. A wing without a row imports no other wing.
 * The rows must not make a circle: `forbidWings` refuses to load them.
 */
const WINGS = {
  'services/gateway/src': {
    events: ['sales', 'upstream'],
    explain: ['sales'],
    limits: ['identity'],
    orders: ['upstream'],
    routes: ['explain', 'limits', 'memory', 'openapi', 'orders', 'pickups', 'report', 'sales', 'upstream'],
    sales: ['memory', 'upstream'],
    upstream: ['contacts'],
  },
  'services/gateway/console/src': { after: ['page'], sale: ['page'] },
  'services/order/src': {
    audit: ['sales'],
    commands: ['dead-letters', 'orders', 'payments', 'schema'],
    expiry: ['ledger', 'sales'],
    groups: ['ledger', 'orders', 'payments'],
    intake: ['late-money', 'ledger', 'payments', 'recovery', 'relay', 'sales'],
    'late-money': ['ledger', 'payments', 'relay'],
    ledger: ['relay', 'sales'],
    orders: ['ledger', 'pages', 'payments', 'relay', 'sales'],
    payments: ['ledger', 'pages'],
    pickups: ['ledger', 'orders', 'pages', 'sales'],
    recovery: ['late-money', 'sales'],
    report: ['payments'],
    routes: [
      ...[
        'audit',
        'dead-letters',
        'orders',
        'payments',
        'pickups',
        'recovery',
        'report',
        'sales',
        'standing',
      ],
      'webhooks',
    ],
    sales: ['pages'],
    webhooks: ['ledger', 'orders', 'pages', 'relay', 'sales'],
  },
  'services/stock/src': {
    announce: ['redis'],
    audit: ['redis', 'settler'],
    'buyer-holds': ['redis'],
    recovery: ['redis', 'relay', 'settler'],
    relay: ['redis'],
    reserve: ['announce', 'recovery', 'redis'],
    routes: ['announce', 'audit', 'buyer-holds', 'recovery', 'redis', 'reserve', 'standing'],
    settler: ['redis'],
    standing: ['recovery', 'redis'],
  },
  'packages/contracts/src': {
    lanes: ['messages', 'values'],
    messages: ['values'],
    operators: ['lanes', 'problems', 'sales', 'values'],
    orders: ['messages', 'problems', 'sales', 'values'],
    problems: ['values'],
    sales: ['lanes', 'values'],
  },
  'packages/runtime/src': { kafka: ['tracing'], tracing: ['http'] },
  'bench/src': {
    'after-sale': ['target'],
    answers: ['generator', 'measure', 'scenarios', 'target'],
    audit: ['engines', 'generator', 'target'],
    cold: ['answers', 'generator', 'measure', 'scenarios', 'target'],
    growth: ['answers', 'generator', 'measure', 'scenarios', 'target'],
    compare: ['audit', 'generator', 'measure', 'run', 'scenarios', 'target'],
    demo: ['audit', 'engines', 'scenarios', 'target'],
    events: ['answers', 'generator', 'measure', 'scenarios', 'target'],
    generator: ['target'],
    idle: ['measure', 'target'],
    measure: ['engines', 'generator', 'target'],
    run: ['audit', 'generator', 'measure', 'scenarios', 'target'],
    scenarios: ['audit', 'generator', 'measure', 'target'],
    target: ['engines'],
    telemetry: ['compare', 'scenarios', 'target'],
  },
  'scripts/stack/src': {
    commands: ['engines', 'machine', 'sale', 'services', 'storefront'],
    engines: ['machine'],
    kubernetes: ['machine'],
    services: ['engines', 'machine'],
    storefront: ['machine', 'services'],
  },
};

/** The rules for dependency-cruiser: one for each row, and one for the wings of a src that have no row. */
function forbidWings(wings = WINGS) {
  return Object.entries(wings).flatMap(([src, rows]) => {
    for (const wing of Object.keys(rows)) refuseCircle(src, rows, [wing]);
    const named = Object.keys(rows).join('|');
    return [
      ...Object.entries(rows).map(([wing, others]) => ({
        name: `wing-${src}/${wing}`,
        comment: `${wing}/ may import ${others.join(', ')}; .dependency-cruiser.wings.cjs says what each wing may`,
        severity: 'error',
        from: { path: `^${src}/${wing}/` },
        to: { path: `^${src}/[^/]+/`, pathNot: `^${src}/(${[wing, ...others].join('|')})/` },
      })),
      {
        name: `wing-${src}`,
        comment: 'this wing imports no other one; .dependency-cruiser.wings.cjs says what each wing may',
        severity: 'error',
        from: { path: `^${src}/([^/]+)/`, pathNot: `^${src}/(${named})/` },
        to: { path: `^${src}/[^/]+/`, pathNot: `^${src}/$1/` },
      },
    ];
  });
}

function refuseCircle(src, rows, way) {
  for (const next of rows[way.at(-1)] ?? []) {
    if (next === way[0]) throw new Error(`${src}: the wings ${[...way, next].join(' -> ')} make a circle`);
    // A circle that does not lead back to the first wing is found from one of its own.
    if (!way.includes(next)) refuseCircle(src, rows, [...way, next]);
  }
}

module.exports = { forbidWings, WINGS };
