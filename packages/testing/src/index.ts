/** What the tests of several workspaces use. No program imports it. */
export * from './campaign.ts';
export * from './command-runner.ts';
export * from './counters.ts';
export * from './random.ts';
export * from './silent.ts';
export * from './tcp.ts';
export * from './topics.ts';
export * from './until.ts';
