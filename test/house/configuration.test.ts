// Goal: the tables of docs/operating name every environment variable of each service with its default, and no
// other; compose passes on what its .env may say. Method: each service's own readConfig runs on an empty
// environment, and what it asks its ConfigReader for is written down.
import { ConfigError, ConfigReader } from '@seckill/runtime';
import t from 'tap';
import { parse } from 'yaml';
import { readConfig as readGateway } from '../../services/gateway/src/config.ts';
import {
  readConfig as readOrder,
  readMigrateConfig,
  readTopicsConfig,
} from '../../services/order/src/config.ts';
import { readConfig as readStock } from '../../services/stock/src/config.ts';
import { filesBelow, namesIn, read, rowsOf } from './support.ts';

const SERVICES = { gateway: readGateway, stock: readStock, order: readOrder } as const;
type Service = keyof typeof SERVICES;
const SHARED = 'All services';
const PAGES = filesBelow('docs/operating', '.md');

const REQUIRED = new Set(['url', 'list', 'secret']);
const READERS = [
  ...REQUIRED,
  ...[
    'string',
    'optional',
    'optionalUrl',
    'integer',
    'choice',
    'boolean',
    'choices',
    'secretOrValue',
    'share',
  ],
] as ('url' | 'list')[];

/** The words of the tables for a variable without a default. */
const NONE = ['none', 'empty', 'by the key', 'one of the three'];

/** Notes each variable that is asked for, with the defaults that the tables may give it. */
function readVariables(readConfig: (environment: NodeJS.ProcessEnv) => unknown): Map<string, string[]> {
  const asked = new Map<string, string[]>();
  const originals = READERS.map((method) => [method, methodOf(method)] as const);
  for (const [method, original] of originals) {
    ConfigReader.prototype[method] = function (this: ConfigReader, name: string, ...rest: never[]): never {
      const value = Reflect.apply(original, this, [name, ...rest]) as string | number | undefined;
      // A method of the reader may call another one. The outermost call is the one of the configuration.
      asked.set(name, defaultsOf(method, value));
      return value as never;
    };
  }
  try {
    readConfig({});
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  } finally {
    for (const [method, original] of originals) ConfigReader.prototype[method] = original as never;
  }
  return asked;
}

function methodOf(name: string): (...args: unknown[]) => unknown {
  return Reflect.get(ConfigReader.prototype, name) as (...args: unknown[]) => unknown;
}

function defaultsOf(method: string, value: string | number | boolean | string[] | undefined): string[] {
  if (REQUIRED.has(method)) return ['required', 'required secret', 'required secrets'];
  if (value === undefined) return NONE;
  return typeof value === 'number' ? [String(value)] : [`\`${String(value)}\``];
}

/**
 * The default that the tables give each variable of a service. A shared table says `gateway 8080, stock
 * 8081`, of which the service's own counts.
 */
function readTables(service: Service): Map<string, string> {
  const documented = new Map<string, string>();
  for (const { heading, cells } of rowsOf(PAGES, 'variable')) {
    if (heading !== service && heading !== SHARED) continue;
    const [names = '', given = ''] = cells;
    const own = new RegExp(`\\b${service} (\\S+?)(,|$)`).exec(given)?.[1] ?? given;
    for (const name of namesIn(names)) documented.set(name, own);
  }
  return documented;
}

for (const service of Object.keys(SERVICES) as Service[]) {
  void t.test(`${service}: the tables name every variable with its default, and no other`, (t) => {
    const asked = readVariables(SERVICES[service]);
    const documented = readTables(service);
    t.ok(asked.size > 10, 'the configuration is read');
    t.same([...documented.keys()].sort(), [...asked.keys()].sort());
    for (const [name, defaults] of asked) {
      const given = documented.get(name) ?? '';
      t.ok(defaults.includes(given), `${name}: ${defaults.join(' or ')}, documented: ${given}`);
    }
    t.end();
  });
}

/** What an operator of compose may say of each service in `.env`, beside secrets and addresses of compose. */
const SAID_IN_COMPOSE: Record<Service, string[]> = {
  gateway: [
    ...['PAYMENTS', 'CONSOLE', 'ALLOWED_ORIGINS', 'TRUST_PROXY', 'DOCS_BASE_URL', 'CONTACT_KEY'],
    ...['RATE_LIMIT_USER_MAX', 'RATE_LIMIT_ADDRESS_MAX'],
  ],
  stock: [],
  order: ['PAYMENTS'],
};
const SAID_TO_ALL = ['LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLER_ARG'];

void t.test('compose gives a service what it reads, and passes on what may be said in .env', (t) => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<Service, { environment: Record<string, string> }>;
  };
  for (const service of Object.keys(SERVICES) as Service[]) {
    const { environment } = services[service];
    const asked = readVariables(SERVICES[service]);
    t.same(
      Object.keys(environment).filter((name) => !asked.has(name)),
      [],
      `${service} reads them all`,
    );
    for (const name of [...SAID_TO_ALL, ...SAID_IN_COMPOSE[service]]) {
      t.match(environment[name], `\${${name}:-`, `${service}: ${name}`);
    }
    // Where .env says nothing, the service starts all the same.
    const defaults = Object.entries(environment).flatMap(([name, value]) => {
      const [, given] = /^\$\{\w+:-(.*)\}$/.exec(value) ?? [];
      return given === undefined ? [] : [[name, given]];
    });
    const problems = problemsOf(service, Object.fromEntries(defaults) as NodeJS.ProcessEnv);
    t.notMatch(problems, /must|does not/, service);
  }
  t.end();
});

/** What a service says of an environment that lacks much. */
function problemsOf(service: Service, environment: NodeJS.ProcessEnv): string {
  try {
    SERVICES[service](environment);
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}

void t.test('the example names every variable that compose asks for, and sets no secret', (t) => {
  const example = read('.env.example');
  const documented = read('docs/operating/configuration.md');
  const files = read('docker-compose.yml') + read('docker-compose.cluster.yml');
  const asked = [...files.matchAll(/\$\{([A-Z0-9_]+):([?-])/g)];
  t.ok(asked.length > 10);
  for (const [, name = '', kind] of asked) {
    // A secret stands there without a value, and a variable with a default is commented out.
    const line = kind === '?' || name === 'CONTACT_KEY' ? `^${name}=$` : `^#${name}=.+$`;
    t.match(example, new RegExp(line, 'm'), name);
    if (kind === '-') t.ok(documented.includes(`\`${name}\``), `${name} is documented`);
  }
  t.end();
});

void t.test('the variables of the jobs stand in the documentation with their defaults', (t) => {
  const text = PAGES.map(read).join('\n').replaceAll('\n', ' ');
  for (const [name, [first = '']] of [
    ...readVariables(readMigrateConfig),
    ...readVariables(readTopicsConfig),
  ]) {
    const isNumber = /^\d+$/.test(first);
    t.ok(text.includes(isNumber ? `\`${name}\` (default ${first}` : `\`${name}\``), name);
  }
  t.end();
});
