import { LOAD_SCENARIOS } from './scenarios/index.ts';

const scenarios = LOAD_SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n');

export const HELP = `npm run bench -- <scenario> [options]
npm run bench -- compare [--rounds N] [--only NAMES] [--quick] [--json FILE]
npm run bench -- idle [--quick] [--json FILE]
npm run bench -- answers [--rounds N] [--connections N] [--quick] [--json FILE]
npm run bench -- cold [--rounds N] [--connections N] [--quick] [--json FILE]
npm run bench -- growth [--rounds N] [--connections N] [--quick] [--json FILE]
npm run bench -- after-sale [--rounds N] [--quick] [--json FILE]
npm run bench -- telemetry [--rounds N] [--connections N] [--quick] [--json FILE]
npm run bench -- events [--listeners N] [--rounds N] [--quick] [--json FILE]
npm run bench -- diff A.json B.json

Loads the service, and proves in the same run that it did right: what was accepted is in Redis, Kafka and Postgres,
once each, and never more than there is. Starts a stack of its own unless --name or --target says otherwise.

Scenarios:
${scenarios}

Exit code: 0 good; 99 a threshold was missed, or the generator was the bottleneck; 1 an invariant is broken, or the
run failed; 2 wrong usage.

Where to:
  --name NAME         a stack that runs on this machine (.run/NAME/stack.json), such as "default" of npm start;
                      raise its RATE_LIMIT_USER_MAX and RATE_LIMIT_ADDRESS_MAX, or the limiter is what you measure
  --target URL        any deployment's gateway, with
  --secret S          its JWT_SECRET. Without the next three the verdict is what HTTP can tell:
  --redis URL --kafka HOST:PORT,… --postgres URL     with KAFKA_TLS_CA and KAFKA_SASL_* of the environment

What:
  --duration S        seconds; not of oranges-2000 and mangoes-1000, which have a --factor
  --rate N            arrivals a second: hot-user, duplicate-keys, mixed, soak
  --arrivals SHAPE    constant, poisson or ramp (from none to --rate) of the same four
  --connections N
  --buyers N          of burst, oranges-2000, mangoes-1000, settle-storm
  --factor N          how many times faster than life: oranges-2000, mangoes-1000
  --seed N            the same crowd as an earlier run, which printed it

Thresholds, instead of the scenario's own:
  --p99 MS  --error-rate SHARE  --order-lag-p99 MS

Output:
  --out FOLDER        for summary.json and report.html (default: bench/runs/<scenario>-<time>)
  --json FILE         the summary once more; of compare the figures

compare alternates the product and the baselines on one machine and tells medians, ratios and CPU per request. It
wants a quiet machine. About 25 minutes with the default of 5 rounds; --quick is a smoke of about 3 minutes whose
figures mean nothing; --only takes names of figures, separated by commas, and runs what those need.

idle counts what sales cost that nothing happens to, and how fast they are created: 500, then 10,000, which takes
about five minutes. --quick stays at 500 and counts for 10 s.

answers tells what a reservation, a "sold out" and a reading cost in CPU, against a Fastify route that does nothing
else. About three minutes; it measures by pairs, beside a fixed piece of work.

cold tells what a reservation costs in CPU in the first two seconds of a burst on a stack that has just started, against
later seconds. About a minute and a half.

growth tells what an order costs in CPU with 1, 2 and 4 gateways, sales and intakes, and with sales on 1, 2 and 3 primaries
of a Redis Cluster, and how often a second one row of the ledger can be written. Two stacks, the second with engines of
several nodes; about twelve minutes.

after-sale tells how long operators wait for a report and for pages of orders and pick-ups, with a million orders in
PostgreSQL. About three minutes, most of them to store the orders; --quick takes 20,000.

telemetry tells what it costs to look at a sale: metrics that are scraped with a console open, and traces, each beside
nobody who looks. Two stacks, about seven minutes; OTEL_TRACES_SAMPLER_ARG is the share that is traced (0.01).

events has 10,000 listeners (--listeners) on one gateway hear "sold out", and tells what each takes of memory, when all
have heard, and how fast the sale sells with and without them, by pairs. About three minutes; each listener needs a
file descriptor (ulimit -n).

diff tells which measurements of two summaries differ (Mann-Whitney, bootstrap interval of the ratio of medians).
`;
