// Goal: tracing is off by default, and then costs nothing: not even its libraries are loaded.
// Method: `node dist/main.js` with every module that it loads told on stderr; with an endpoint, so that it is
// known that they would be seen, and without.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { untilWithin } from '@seckill/testing';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const until = untilWithin(60_000);

/** Tells of each file that is required, also by what an `import` of CommonJS leads to. */
const TELL = `
import Module, { register } from 'node:module';
const tell = (url) => process.stderr.write('loaded ' + url + '\\n');
const resolve = Module._resolveFilename;
Module._resolveFilename = (...args) => { const file = resolve(...args); tell(file); return file; };
const hooks = \`import { writeSync } from 'node:fs';
export async function load(url, context, next) { writeSync(2, 'loaded ' + url + '\\\\n'); return next(url, context); }\`;
register('data:text/javascript,' + encodeURIComponent(hooks));
`;

/** @returns the packages whose files a gateway loads until it is ready, by their names. */
async function packagesOf(t: Test, environment: Record<string, string>): Promise<string[]> {
  const preload = `data:text/javascript,${encodeURIComponent(TELL)}`;
  const child = spawn(process.execPath, [`--import=${preload}`, PROGRAM], {
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      DRAIN_MS: '0',
      STOCK_URL: 'http://127.0.0.1:1',
      ORDER_URL: 'http://127.0.0.1:1',
      GATEWAY_TOKEN: 't'.repeat(32),
      JWT_SECRET: 's'.repeat(32),
      WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32).toString('base64')}`,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let [output, told] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  await until('the gateway is ready', () => output.includes('gateway is ready') || child.exitCode !== null);
  t.match(output, 'gateway is ready', told.slice(-1_000));
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
  const files = told.split('\n').filter((line) => line.startsWith('loaded '));
  const names = files.map((file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? '');
  return [...new Set(names)];
}

/** Without the interfaces alone, which prom-client loads for exemplars and which do nothing by themselves. */
const tracers = (names: string[]): string[] =>
  names.filter((name) => name.startsWith('@opentelemetry/') && name !== '@opentelemetry/api');

await t.test('without an endpoint no library of tracing is loaded', async (t) => {
  const names = await packagesOf(t, {});
  t.ok(names.includes('fastify') && names.includes('prom-client'), 'what is loaded is seen');
  t.same(tracers(names), []);
});

await t.test('with an endpoint they are, and would be seen', async (t) => {
  const names = await packagesOf(t, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
  t.ok(tracers(names).includes('@opentelemetry/sdk-trace-base'), names.join(' '));
});
