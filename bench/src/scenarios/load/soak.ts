import { readUse, type ProcessUse } from '../../measure/cpu.ts';
import { steadyScenario } from './steady.ts';

const SECONDS = 600;
const BYTES_PER_MEGABYTE = 1_048_576;

let before: Record<string, ProcessUse> = {};

/** A steady load over a long time. Such a run shows what grows that should not. */
export const soak = steadyScenario({
  name: 'soak',
  summary: `a steady load for ${SECONDS / 60} minutes, and what the processes' memory does (open model)`,
  shape: 'constant',
  perSecond: 300,
  seconds: SECONDS,
  traffic: { browseShare: 0.5, payShare: 0.1 },
  limits: { p99Ms: 100, errorRate: 0.001, orderLagP99Ms: 1_000 },
  async begin({ target }) {
    before = readUse(target.pids);
  },
  async end({ target }) {
    const figures: Record<string, number> = {};
    for (const [name, { rssBytes }] of Object.entries(readUse(target.pids))) {
      const earlier = before[name]?.rssBytes ?? rssBytes;
      figures[`${name}_memory_megabytes`] = Math.round(rssBytes / BYTES_PER_MEGABYTE);
      figures[`${name}_memory_growth_megabytes`] = Math.round((rssBytes - earlier) / BYTES_PER_MEGABYTE);
    }
    return { figures, findings: [] };
  },
});
