/** The whole system on one machine: engines, tables and topics, then order, stock and gateway. */
import { join } from 'node:path';
import type { Child } from '../machine/children.ts';
import { startEngines } from '../engines/engine-set.ts';
import type { Engines } from '../engines/engine-set.ts';
import { makeEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import { StackError } from '../errors.ts';
import { writeInfo } from '../info.ts';
import type { StackInfo } from '../info.ts';
import { claimName } from '../names.ts';
import type { Claim } from '../names.ts';
import { metricsUrlOf, startServices, urlOf } from './service-set.ts';
import type { ServiceSet } from './service-set.ts';
import { choosePorts, runTask, SERVICE_NAMES } from './services.ts';
import { Supervisor } from './supervisor.ts';
import type { ServiceName } from './services.ts';
import type { Log } from '../machine/progress.ts';

export interface StackOptions {
  name: string;
  /** Variables for every service, over the caller's environment. */
  env?: Record<string, string>;
  log?: Log;
  /** Each engine is several nodes: a Redis Cluster, three Kafka nodes, PostgreSQL with a standby. */
  isCluster?: boolean;
  /** Starts again what ends by itself, engines too. Without this `broken` tells of it instead. */
  isKept?: boolean;
}

export interface ProcessOptions {
  service: ServiceName;
  /** The instance's name. The name is unlike the others' in this stack, and names the log file. */
  name: string;
  /** Variables for this instance, such as `ROLES`. */
  env?: Record<string, string>;
}

export interface Stack {
  info: StackInfo;
  engines: Engines;
  /**
   * Resolves when a process ended by itself, or when a process that is started again does not last. The value
   * is a text for a person.
   */
  broken: Promise<string>;
  /**
   * Starts one more instance of a service, on ports of its own. The instance is ready when the promise
   * resolves.
   */
  startProcess(options: ProcessOptions): Promise<{ url: string; metrics: string; child: Child }>;
  /** Sends SIGKILL, as a crash would. */
  kill(service: ServiceName): Promise<void>;
  /**
   * Stops a service if it runs, and starts it again on the same port, with `env` over what it was told
   * before.
   */
  restart(service: ServiceName, env?: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
}

function infoOf(env: Environment, engines: Engines, services: ServiceSet): StackInfo {
  const pids = [...services.children].map(([name, child]) => [name, child.pid] as const);
  return {
    gateway: urlOf(services.ports.gateway),
    stock: urlOf(services.ports.stock),
    order: urlOf(services.ports.order),
    redis: engines.redis,
    kafka: engines.kafka,
    postgres: engines.postgres,
    isRedisCluster: env['REDIS_CLUSTER'] === 'true',
    jwtSecret: env['JWT_SECRET'] ?? '',
    webhookSecret: env['WEBHOOK_SECRETS']?.split(/[\s,]+/)[0] ?? '',
    gatewayToken: env['GATEWAY_TOKEN'] ?? '',
    orderToken: env['ORDER_TOKEN'] ?? '',
    stockToken: env['STOCK_TOKEN'] ?? '',
    metrics: {
      gateway: metricsUrlOf(services.ports.gateway),
      stock: metricsUrlOf(services.ports.stock),
      order: metricsUrlOf(services.ports.order),
    },
    pids: { ...Object.fromEntries(pids), ...engines.pids },
  };
}

function assemble(
  claim: Claim,
  env: Environment,
  engines: Engines,
  { services, supervisor, broken }: { services: ServiceSet; supervisor: Supervisor; broken: Promise<string> },
): { stack: Stack; refresh: () => void } {
  const info = infoOf(env, engines, services);
  const refresh = (): void => {
    info.pids = infoOf(env, engines, services).pids;
    writeInfo(claim.folder, info);
  };
  refresh();
  const stack: Stack = {
    info,
    engines,
    broken,
    async startProcess({ service, name, env: extra }) {
      if (services.children.has(name)) throw new StackError('SECKILL_STACK_SERVICE', `${name} already runs`);
      const ports = await choosePorts(service, false);
      const child = await services.start(service, name, ports, extra);
      refresh();
      return { url: urlOf(ports), metrics: metricsUrlOf(ports), child };
    },
    async kill(service) {
      await services.end(service, 'kill');
      refresh();
    },
    async restart(service, extra) {
      await services.end(service, 'stop');
      await services.start(service, service, services.ports[service], extra);
      refresh();
    },
    async stop() {
      supervisor.stop();
      await services.stop();
      await engines.stop();
      claim.release();
    },
  };
  return { stack, refresh };
}

/** Decides what becomes of a process that ends by itself. */
class Watch {
  readonly broken: Promise<string>;
  readonly supervisor: Supervisor;
  readonly #isKept: boolean;
  readonly #folder: string;
  #report: (text: string) => void = () => undefined;
  /** Called when a process was started again, because it has another pid since. */
  onStarted: () => void = () => undefined;

  constructor(isKept: boolean, folder: string, log: Log) {
    this.#isKept = isKept;
    this.#folder = folder;
    this.broken = new Promise((resolve) => {
      this.#report = resolve;
    });
    this.supervisor = new Supervisor({
      log,
      onGiveUp: (text) => {
        this.#report(text);
      },
    });
  }

  ended(name: string, how: string, start: () => Promise<void>): void {
    if (!this.#isKept) {
      this.#report(`${name} ${how}; see ${join(this.#folder, `${name}.log`)}`);
      return;
    }
    void this.supervisor.startAgain(name, how, start).then(() => {
      this.onStarted();
    });
  }
}

/**
 * Starts everything and writes `.run/<name>/stack.json`. On any failure, what was started is stopped again.
 * @throws StackError SECKILL_STACK_NAME_IN_USE, _ENGINE_MISSING, _ENGINE, _SERVICE (with the tail of the
 * log).
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const log = options.log ?? (() => undefined);
  const claim = claimName(options.name);
  const watch = new Watch(options.isKept === true, claim.folder, log);
  let engines: Engines | undefined;
  try {
    engines = await startEngines({
      name: claim.name,
      claim,
      log,
      isCluster: options.isCluster === true,
      onEnded: (name, how, start) => {
        watch.ended(name, how, start);
      },
    });
    const env = makeEnvironment({ ...process.env, ...engines.env, ...options.env }, engines);
    await runTask('order', 'commands/migrate.js', env);
    await runTask('order', 'commands/topics.js', env);
    log('tables and topics are there');
    const onEnded = (name: string, how: string): void => {
      const service = SERVICE_NAMES.find((one) => one === name);
      const start = async (): Promise<void> => {
        if (service !== undefined) await services.start(service, service, services.ports[service]);
      };
      watch.ended(name, how, start);
    };
    const services = await startServices(env, claim.folder, onEnded, log);
    const { supervisor, broken } = watch;
    const { stack, refresh } = assemble(claim, env, engines, { services, supervisor, broken });
    watch.onStarted = refresh;
    return stack;
  } catch (error) {
    watch.supervisor.stop();
    await engines?.stop();
    claim.release();
    throw error;
  }
}
