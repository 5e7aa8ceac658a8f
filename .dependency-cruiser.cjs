/** Import directions of docs/architecture.md: services -> packages; only stock -> scripts/lua; routes never touch engines. */
const { forbidWings } = require('./.dependency-cruiser.wings.cjs');

module.exports = {
  forbidden: [
    ...forbidWings(),
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'contracts-is-pure',
      comment: 'packages/contracts is names and shapes only',
      severity: 'error',
      from: { path: '^packages/contracts/src' },
      to: { pathNot: '^packages/contracts/src|typebox' },
    },
    {
      name: 'client-stands-alone',
      comment: 'packages/client is published by itself, without a dependency',
      severity: 'error',
      from: { path: '^packages/client/src' },
      to: { pathNot: '^packages/client/src' },
    },
    {
      name: 'testing-is-for-tests',
      comment: 'packages/testing holds what tests of several workspaces use; no program imports it',
      severity: 'error',
      from: { path: '^((packages|services|scripts)/[^/]+|bench)/src/', pathNot: '^packages/testing/' },
      to: { path: '^packages/testing/' },
    },
    {
      name: 'packages-import-packages',
      severity: 'error',
      from: { path: '^packages/[^/]+/src' },
      to: { path: '^(services|scripts|bench|test)/' },
    },
    {
      name: 'services-never-import-each-other',
      severity: 'error',
      from: { path: '^services/([^/]+)/src' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'services-import-packages-only',
      severity: 'error',
      from: { path: '^services/[^/]+/src' },
      to: { path: '^(bench|test|scripts/stack)/' },
    },
    {
      name: 'only-stock-uses-lua',
      severity: 'error',
      from: { path: '^(packages|services/(gateway|order)|scripts/stack)/' },
      to: { path: '^scripts/lua/' },
    },
    {
      name: 'routes-never-touch-engines',
      severity: 'error',
      from: { path: '^services/[^/]+/src/routes/' },
      to: { path: 'node_modules/(ioredis|pg|kafkajs)/' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.cjs$', '\\.d\\.ts$', '\\.config\\.js$'] },
      to: {},
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: '(^|/)(node_modules|dist)/' },
    exclude: { path: '(^|/)(\\.tap|\\.run)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['seckill-source', 'import', 'require', 'node', 'default', 'types'],
    },
  },
};
