import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Summary } from './summary.ts';

/**
 * uPlot's package exports no file paths. The package's main entry stands beside the files that a page wants.
 */
const UPLOT = dirname(createRequire(import.meta.url).resolve('uplot'));

/**
 * This script runs in the browser. Every chart is drawn from `run.points`. Nothing is loaded from anywhere.
 */
const SCRIPT = `
const run = JSON.parse(document.getElementById('run').textContent);
const points = run.points;
// The sale before its first second: a burst is over within it.
const burnX = [0, ...points.map((point) => point.second + 1)];
const burnY = [run.unitsAtStart, ...points.map((point) => point.unitsLeft)];
const x = points.map((point) => point.second + 1);
const COLORS = ['#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd', '#8c564b', '#7f7f7f', '#17becf'];
const charts = [];
function chart(id, title, unit, lines, xs = x) {
  const drawn = lines.filter(([, values]) => values.some((value) => value !== null));
  if (drawn.length === 0) return;
  const holder = document.getElementById(id);
  const plot = new uPlot({
    title, width: holder.clientWidth, height: 240,
    scales: { x: { time: false } },
    axes: [{ label: 'seconds' }, { label: unit, size: 64 }],
    series: [{ label: 's' }, ...drawn.map(([label], index) => ({ label, stroke: COLORS[index % COLORS.length], width: 2, points: { show: xs.length < 30 } }))],
  }, [xs, ...drawn.map(([, values]) => values)], holder);
  charts.push([plot, holder]);
}
addEventListener('resize', () => { for (const [plot, holder] of charts) plot.setSize({ width: holder.clientWidth, height: 240 }); });
const of = (name) => points.map((point) => point[name]);
const ms = (name) => points.map((point) => point[name] === null ? null : point[name] / 1000);
if (points.some((point) => point.unitsLeft !== null)) chart('units', 'Units left', 'units', [['left', burnY]], burnX);
chart('rates', 'Offered against served', 'requests a second',
  [['offered', of('offered')], ['answered', of('answered')], ['accepted', of('accepted')], ['dropped', of('dropped')]]);
chart('latency', 'Latency', 'ms', ['p50', 'p90', 'p99', 'p999'].map((name) => [name === 'p999' ? 'p99.9' : name, ms(name)]));
const codes = [...new Set(points.flatMap((point) => Object.keys(point.outcomes)))]
  .filter((code) => !['reserved', 'replayed', 'browsed', 'unchanged', 'paid'].includes(code));
chart('rejections', 'Rejections by outcome', 'answers a second',
  codes.map((code) => [code, points.map((point) => point.outcomes[code] ?? 0)]));
chart('lag', 'Order lag: from the 201 to the row, p99', 'ms', [['order lag', of('orderLagP99Ms')]]);
`;

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 960px; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; width: 100%; }
td, th { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { width: 34%; }
.uplot { max-width: 100%; } .u-title { font-size: 16px; } .u-legend { font-size: 13px; }
.u-legend th, .u-legend td { border: 0; width: auto; }
@media (max-width: 600px) {
  body { font-size: 14px; margin: 1rem auto; padding: 0 .6rem; }
  .rows tr, .rows th, .rows td { display: block; width: auto; }
  .rows th { border-bottom: 0; background: #f4f4f4; } .rows td { border-top: 0; }
}
.bad { color: #b00020; font-weight: 600; } .good { color: #1b5e20; font-weight: 600; }
`;

/** Renders a page that needs nothing but itself. The page may be mailed, and opened without a network. */
export function renderPage(summary: Summary): string {
  const library = readFileSync(join(UPLOT, 'uPlot.iife.min.js'), 'utf8');
  const sheet = readFileSync(join(UPLOT, 'uPlot.min.css'), 'utf8');
  // A `<` in the data would end the script element inside a string.
  const data = JSON.stringify(summary).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>${escape(summary.scenario)} – Seckill bench</title><style>${sheet}${STYLE}</style></head><body>
<h1>${escape(summary.scenario)}</h1>
${renderVerdict(summary)}
${renderTable('Result', resultRows(summary))}
<div id="units"></div><div id="rates"></div><div id="latency"></div><div id="rejections"></div><div id="lag"></div>
${renderTable('CPU', cpuRows(summary))}
${renderTable('Conditions', conditionRows(summary))}
<script type="application/json" id="run">${data}</script>
<script>${library}</script><script>${SCRIPT}</script>
</body></html>
`;
}

function renderVerdict({ verdict, thresholds, whyInvalid }: Summary): string {
  const word = verdict.holds
    ? '<span class="good">every invariant holds</span>'
    : '<span class="bad">an invariant is broken</span>';
  const scope = verdict.scope === 'engines' ? 'read from the engines' : 'only what HTTP can tell';
  const notes = [
    ...verdict.findings,
    ...whyInvalid.map((why) => `not valid: ${why}`),
    ...thresholds
      .filter(({ met }) => !met)
      .map(({ name, limit, value }) => `${name}: ${value ?? 'never'}, limit ${limit}`),
  ];
  const list = notes.slice(0, 50).map((note) => `<li>${escape(note)}</li>`);
  return `<p>${word} (${scope})</p>${list.length > 0 ? `<ul class="bad">${list.join('')}</ul>` : ''}`;
}

type Rows = [string, string][];

export function resultRows({ load, orderLagMs, verdict, figures }: Summary): Rows {
  const { latency } = load;
  const ms = (microseconds: number) => (microseconds / 1_000).toFixed(1);
  return [
    ['measured: accepted a second', load.acceptedPerSecond.toFixed(0)],
    ['measured: answered a second', load.answeredPerSecond.toFixed(0)],
    [
      'measured: p50, p90, p99, p99.9, max of all answers, ms',
      [latency.all.p50, latency.all.p90, latency.all.p99, latency.all.p999, latency.all.max]
        .map(ms)
        .join(', '),
    ],
    ['measured: p50, p99 of accepted, ms', [latency.accepted.p50, latency.accepted.p99].map(ms).join(', ')],
    [
      'whole run: sent, answered, lost, dropped, late, accepted, accepted by a repeat',
      [
        ...[load.sent, load.answered, load.lost, load.dropped, load.late],
        ...[load.accepted, load.acceptedByRepeat],
      ].join(', '),
    ],
    [
      'whole run: outcomes',
      Object.entries(load.outcomes)
        .map(([code, count]) => `${code} ${count}`)
        .join(', '),
    ],
    [
      'order lag p50, p99, max, ms',
      orderLagMs === null
        ? 'not measured'
        : [orderLagMs.p50, orderLagMs.p99, orderLagMs.max]
            .map((value) => value?.toFixed(0) ?? 'no row was seen')
            .join(', '),
    ],
    [
      'counts',
      Object.entries(verdict.counts)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    ],
    ...Object.entries(figures).map(([name, value]): [string, string] => [name, String(value)]),
  ];
}

function cpuRows({ cpu }: Summary): Rows {
  return Object.entries(cpu).map(([name, { seconds, perAnswerUs }]) => [
    name,
    `${seconds.toFixed(2)} s, ${perAnswerUs.toFixed(0)} µs for each answer`,
  ]);
}

export function conditionRows({ environment, startedAt, load, model, seed }: Summary): Rows {
  const { engines, cpu, cores, memoryMegabytes, os, node, commit, loadAverage } = environment;
  return [
    ['started', startedAt],
    ['machine', `${cpu}, ${cores} cores, ${memoryMegabytes} MB, ${os}, load average before ${loadAverage}`],
    ['versions', `Node ${node}, commit ${commit}`],
    [
      'engines',
      Object.entries(engines)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ') || 'unknown',
    ],
    ['model', JSON.stringify(model)],
    ['seed', String(seed)],
    [
      'measured',
      `${load.measuredSeconds} s; the generator was busy ${(load.generatorUtilization * 100).toFixed(0)} % of a core`,
    ],
  ];
}

function renderTable(title: string, rows: Rows): string {
  if (rows.length === 0) return '';
  const cells = rows.map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`);
  return `<h2>${title}</h2><table class="rows">${cells.join('')}</table>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
