/**
 * What manifests must agree with, read from where it is decided: the services' config.ts, contracts, compose.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOPICS } from '@seckill/contracts';
import { ROOT } from '@seckill/stack';
import { parse } from 'yaml';
import { readConfig as readGateway } from '../../services/gateway/src/config.ts';
import {
  readConfig as readOrder,
  readMigrateConfig,
  readTopicsConfig,
  ROLES as ORDER_ROLES,
} from '../../services/order/src/config.ts';
import { readConfig as readStock, ROLES as STOCK_ROLES } from '../../services/stock/src/config.ts';

/** The names that a reader asks the environment for; what it makes of an empty one does not matter. */
function namesOf(read: (environment: NodeJS.ProcessEnv) => unknown): Set<string> {
  const names = new Set<string>();
  const spy = new Proxy<NodeJS.ProcessEnv>(
    {},
    {
      get: (_target, name) => {
        names.add(String(name));
        return undefined;
      },
    },
  );
  try {
    read(spy);
  } catch {
    // Every variable is missing, and the reader throws because of that.
  }
  return names;
}

/** Names of variables that must be there. A service refuses to start without them, and names each. */
function requiredOf(read: (environment: NodeJS.ProcessEnv) => unknown): string[] {
  try {
    read({});
    return [];
  } catch (error) {
    return [...String(error).matchAll(/- ([A-Z_]+) (?:\(or [A-Z_]+\) )?is missing/g)].map(
      ([, name]) => name ?? '',
    );
  }
}

export interface Program {
  names: Set<string>;
  required: string[];
}

const program = (read: (environment: NodeJS.ProcessEnv) => unknown): Program => ({
  names: namesOf(read),
  required: requiredOf(read),
});

/** Facts of each service, by the file that runs in its container. */
export const PROGRAMS: Record<string, Program> = {
  'services/gateway/dist/main.js': program(readGateway),
  'services/stock/dist/main.js': program(readStock),
  'services/order/dist/main.js': program(readOrder),
  'services/order/dist/commands/migrate.js': program(readMigrateConfig),
  'services/order/dist/commands/topics.js': program(readTopicsConfig),
};

export const ROLES: Record<string, readonly string[]> = { stock: STOCK_ROLES, order: ORDER_ROLES };

/** Ports of docs/operating/configuration.md, as each config.ts has them for its default. */
export const PORTS: Record<string, { http: number; metrics: number }> = {
  gateway: { http: 8080, metrics: 9460 },
  stock: { http: 8081, metrics: 9461 },
  order: { http: 8082, metrics: 9462 },
};

export const TOPIC_LIST = Object.values(TOPICS).map(({ name, partitions }) => ({ name, partitions }));

/** ms after SIGTERM at which a service gives up waiting, read from the file that decides it. */
export function readStopMs(): number {
  const text = readFileSync(join(ROOT, 'packages/runtime/src/lifecycle.ts'), 'utf8');
  return Number(/^const STOP_MS = ([\d_]+);/m.exec(text)?.[1]?.replaceAll('_', ''));
}

export interface Compose {
  services: Record<
    string,
    { image?: string; command?: string[]; environment?: Record<string, string>; ports?: string[] }
  >;
}

export function readCompose(): Compose {
  return parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as Compose;
}
