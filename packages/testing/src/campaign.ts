/**
 * How long a random campaign is: `npm test` and CI run the short one, `npm run test:faults` and `npm run
 * test:model` the full one. Both check the same; the full one meets more of what chance brings.
 */
export function campaign(sizes: { short: number; full: number }): number {
  return process.env['SECKILL_CAMPAIGN'] === 'full' ? sizes.full : sizes.short;
}
