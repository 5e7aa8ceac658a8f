// Goal: the tables of docs/operating name every environment variable of each service with its default, and no
// other. Method: each service's own readConfig runs on an empty environment, and what it asks its
// ConfigReader for is written down.
import { ConfigError, ConfigReader } from '@seckill/runtime';
import t from 'tap';
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
