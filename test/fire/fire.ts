/**
 * `npm run test:fire`: the sale under fire. A seed draws faults of everything there is, a crowd buys
 * meanwhile, and what was promised is held against the engines.
 */
import { anyNumber, outputFile, runCommand, wholeNumber, type Values } from '@seckill/runtime';
import { onEnd } from '@seckill/stack';
import { findUnseen, formatReport, writeReport } from './report.ts';
import { runSeed, type RunResult } from './run.ts';

const HELP = `npm run test:fire -- [options]

Starts two processes of each service on real engines, lets a crowd buy, and does to them what a seed draws: kills,
freezes, cuts, lost and old data. Then it heals everything and judges what was promised: INV-1 to INV-6, keys, money,
webhooks. Exit code 0 only when every run holds. The seed repeats the faults and their order; the rest is real.

  --seed N       the first seed (default: one that changes, and is printed)
  --seeds N      so many seeds, one after the other, from --seed on (default: 1)
  --minutes M    of fire for each seed (default: 5)
  --report FILE  also write a report in Markdown; into a document with its marks, between them
  --help         this text

A campaign of several seeds also fails when it never came by what it is meant to try, such as a rebuild.
`;

const OPTIONS = {
  seed: wholeNumber(0, 100_000_000),
  seeds: wholeNumber(1, 1_000),
  minutes: anyNumber(0.2, 600),
  report: outputFile,
};

async function main(values: Values<typeof OPTIONS>): Promise<number> {
  const { seed = Date.now() % 1_000_000, seeds = 1, minutes = 5 } = values;
  // What was started is bound to our life.
  const watch = onEnd(async () => undefined);
  const results: RunResult[] = [];
  for (let one = seed; one < seed + seeds; one += 1) {
    console.log(`seed ${one}, ${minutes} min`);
    const since = performance.now();
    const log = (line: string): void => {
      console.log(`${((performance.now() - since) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
    };
    const result = await runSeed(one, minutes, log);
    results.push(result);
    for (const finding of result.findings) console.log(`BROKEN (seed ${one}): ${finding}`);
    log(result.findings.length === 0 ? 'everything holds' : `${result.findings.length} findings`);
  }
  watch.release();
  const text = formatReport(results, minutes);
  console.log(`\n${text}`);
  if (values.report !== undefined) writeReport(values.report, text);
  const unseen = seeds > 1 ? findUnseen(results) : [];
  for (const name of unseen) console.log(`MISSED: no seed came by: ${name}`);
  const broken = results.filter(({ findings }) => findings.length > 0);
  if (broken.length > 0) {
    console.log(`\nto repeat: npm run test:fire -- --minutes ${minutes} --seed ${broken[0]?.seed ?? seed}`);
  }
  return broken.length + unseen.length === 0 ? 0 : 1;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
