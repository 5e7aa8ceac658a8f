import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Fault } from './plan.ts';
import { SIGHTS } from './reached.ts';
import type { RunResult } from './run.ts';

const BEGIN = '<!-- The report is made by `npm run test:fire -- --report docs/reliability.md` -->';
const END = '<!-- end of the report -->';

/** `stock-1` is one of the stocks, and each way is one to what it leads to. */
function nameOf({ kind, target }: Fault): string {
  const what = target.replace(/-\d+$/, '');
  return what.includes(' > ') ? `way to ${what.split(' > ')[1] ?? ''}: ${kind}` : `${what}: ${kind}`;
}

const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : (ms / 1_000).toFixed(1));

function median(values: number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

const worst = (values: number[]): number | undefined =>
  values.length === 0 ? undefined : Math.max(...values);

/** Each fault: how often in all, how often alone in its round, and the recovery of those rounds. */
function faultRows(results: RunResult[]): string[] {
  const tried = new Map<string, { count: number; alone: number; sold: number[]; paid: number[] }>();
  for (const { faults, sold, paid } of results.flatMap(({ rounds }) => rounds)) {
    for (const fault of faults) {
      const name = nameOf(fault);
      const row = tried.get(name) ?? { count: 0, alone: 0, sold: [], paid: [] };
      tried.set(name, row);
      row.count += 1;
      if (faults.length > 1) continue;
      row.alone += 1;
      if (sold !== undefined) row.sold.push(sold);
      if (paid !== undefined) row.paid.push(paid);
    }
  }
  return [...tried]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { count, alone, sold, paid }]) => {
      const times = [median(sold), worst(sold), median(paid), worst(paid)].map(seconds);
      return `| ${[name, count, alone, ...times].join(' | ')} |`;
    });
}

function sumOf(results: RunResult[], name: string): number {
  return results.reduce((sum, { reached }) => sum + (reached.get(name) ?? 0), 0);
}

/** What every campaign of several seeds must have come by, and this one never did. */
export function findUnseen(results: RunResult[]): string[] {
  return SIGHTS.filter(({ must, name }) => must && sumOf(results, name) === 0).map(({ name }) => name);
}

export function formatReport(results: RunResult[], minutes: number): string {
  const kinds = new Set(results.flatMap(({ counts }) => [...counts.keys()]));
  const operations = [...kinds].map((kind) => {
    const sum = { invoked: 0, ok: 0, fail: 0, unknown: 0 };
    for (const { counts } of results) {
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts.get(kind)?.[name] ?? 0;
    }
    return `| ${[kind, sum.invoked, sum.ok, sum.fail, sum.unknown].join(' | ')} |`;
  });
  const rounds = results.reduce((sum, result) => sum + result.rounds.length, 0);
  const lost = results.reduce((sum, result) => sum + result.lost, 0);
  const samples = results.reduce((sum, result) => sum + result.samples, 0);
  return [
    `${new Date().toISOString().slice(0, 10)}, Node.js ${process.versions.node}, ${cpus().length} cores that other work shared; ` +
      `${results.length} × ${minutes} min, ${rounds} rounds of one to three faults, INV-1 looked at ${samples} times. ` +
      `${lost} reservations stood only in the outbox when Redis lost it, which is what may be missing.`,
    '',
    '| seed | paid before the first fault, after seconds | rounds | findings |',
    '|---|---|---|---|',
    ...results.map(
      ({ seed, calmMs, rounds, findings }) =>
        `| ${[seed, seconds(median(calmMs)), rounds.length, findings.length].join(' | ')} |`,
    ),
    '',
    'Recovery, in seconds, of the rounds in which a fault was alone: from the moment at which what was hurt ran',
    'again, until a buyer at each gateway had a unit, and until that order was paid.',
    '',
    '| fault | tried | alone | sold again, median | longest | paid again, median | longest |',
    '|---|---|---|---|---|---|---|',
    ...faultRows(results),
    '',
    '| operation | invoked | ok | fail | attempts that were unknown |',
    '|---|---|---|---|---|',
    ...operations,
    '',
    '| reached | times |',
    '|---|---|',
    ...SIGHTS.map(({ name }) => `| ${name} | ${sumOf(results, name)} |`),
  ].join('\n');
}

/** A document with our marks keeps what stands around them; any other file becomes the report. */
export function writeReport(file: string, text: string): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
  const whole =
    from < 0 || to < from
      ? `${text}\n`
      : `${before.slice(0, from)}${BEGIN}\n\n${text}\n\n${before.slice(to)}`;
  writeFileSync(file, whole);
}
