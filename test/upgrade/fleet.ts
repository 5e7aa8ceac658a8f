import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  freePorts,
  run,
  signToken,
  startChild,
  startEngines,
  untilServing,
  type Child,
  type Engines,
  type ServiceName,
} from '@seckill/stack';
import { Pool } from 'undici';
import { Balancer } from '../support/balancer.ts';
import type { Answer } from '../support/stack.ts';
import type { Release } from './release.ts';

const TASK_MS = 60_000;
const STOP_MS = 20_000;

export interface Instance {
  service: ServiceName;
  release: Release;
  url: string;
  child: Child;
  logFile: string;
}

export interface Call {
  method?: 'GET' | 'POST';
  path: string;
  userId: string;
  isOperator?: boolean;
  key?: string;
  body?: unknown;
}

/**
 * One set of engines, and the services of any release on them. Each service stands behind a balancer, so that
 * those of two releases can serve beside each other, as in a rolling update.
 */
export class Fleet {
  readonly engines: Engines;
  readonly instances: Instance[] = [];
  readonly #balancers = { order: new Balancer(), stock: new Balancer(), gateway: new Balancer() };
  readonly #folder = mkdtempSync(join(tmpdir(), 'seckill-upgrade-'));
  readonly #jwtSecret = randomBytes(32).toString('base64url');
  #env: NodeJS.ProcessEnv = {};
  #http: Pool | undefined;
  #count = 0;

  private constructor(engines: Engines) {
    this.engines = engines;
  }

  static async start(name: string): Promise<Fleet> {
    // Engines that a test run shares are not ours to kill.
    for (const variable of ['REDIS_URL', 'KAFKA_BROKERS', 'DATABASE_URL']) {
      Reflect.deleteProperty(process.env, variable);
    }
    const fleet = new Fleet(await startEngines({ name: `${name}-${process.pid}`, anyName: true }));
    await fleet.#listen();
    return fleet;
  }

  async #listen(): Promise<void> {
    const secret = (): string => randomBytes(32).toString('base64url');
    const { order, stock, gateway } = this.#balancers;
    this.#env = {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      JWT_SECRET: this.#jwtSecret,
      WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
      GATEWAY_TOKEN: secret(),
      ORDER_TOKEN: secret(),
      STOCK_TOKEN: secret(),
      PAYMENTS: 'sandbox',
      HOST: '127.0.0.1',
      DRAIN_MS: '1000',
      LOG_LEVEL: 'info',
      RATE_LIMIT_USER_MAX: '1000000',
      RATE_LIMIT_ADDRESS_MAX: '1000000',
      // Two busy cores pause for longer than the default of two seconds.
      STOCK_TIMEOUT_MS: '10000',
      ORDER_TIMEOUT_MS: '10000',
      REDIS_URL: this.engines.redis,
      KAFKA_BROKERS: this.engines.kafka,
      DATABASE_URL: this.engines.postgres,
      STOCK_URL: await stock.start(),
      ORDER_URL: await order.start(),
    };
    this.#http = new Pool(await gateway.start(), { connections: 32, pipelining: 1 });
  }

  /** Makes tables and topics as this release wants them. */
  async prepare(release: Release): Promise<void> {
    for (const program of [release.migrate, release.topics]) {
      const { ok, stdout, stderr } = await this.task(program);
      if (!ok) throw new Error(`${program}: ${stdout}${stderr}`);
    }
  }

  task(program: string): ReturnType<typeof run> {
    return run(process.execPath, [program], { timeoutMs: TASK_MS, env: this.#env });
  }

  /** Starts one process of a service, and returns when it serves. @throws StackError with its log. */
  async add(release: Release, service: ServiceName, env: NodeJS.ProcessEnv = {}): Promise<Instance> {
    const instance = await this.launch(release, service, env);
    await untilServing(instance.child, instance.url, instance.logFile);
    // A process without this role answers nothing but its health.
    if (env['ROLES']?.split(',').includes('http') !== false) this.#balancers[service].add(instance.url);
    return instance;
  }

  /** Starts one process of a service, which nobody asks for anything. */
  async launch(release: Release, service: ServiceName, env: NodeJS.ProcessEnv = {}): Promise<Instance> {
    this.#count += 1;
    const [port = 0, metricsPort = 0] = await freePorts(2);
    const name = `${release.name}-${service}-${this.#count}`;
    const logFile = join(this.#folder, `${name}.log`);
    const child = await startChild({
      name,
      command: process.execPath,
      args: [join(release.folder, 'services', service, 'dist', 'main.js')],
      env: { ...this.#env, ...env, PORT: String(port), METRICS_PORT: String(metricsPort) },
      output: { file: logFile },
      stopMs: STOP_MS,
    });
    const instance = { service, release, url: `http://127.0.0.1:${port}`, child, logFile };
    this.instances.push(instance);
    return instance;
  }

  /** Stops a process as its orchestrator does: it drains first. @returns its exit code. */
  async remove(instance: Instance): Promise<number | null> {
    await instance.child.stop();
    this.#balancers[instance.service].remove(instance.url);
    this.instances.splice(this.instances.indexOf(instance), 1);
    return (await instance.child.exited).code;
  }

  /** The gateways first, so that no buyer asks services that are leaving. */
  async removeAll(): Promise<void> {
    const of = (isGateway: boolean) =>
      this.instances.filter(({ service }) => (service === 'gateway') === isGateway);
    await Promise.all(of(true).map((instance) => this.remove(instance)));
    await Promise.all(of(false).map((instance) => this.remove(instance)));
  }

  /** Lines of the log of each process, as text. */
  logs(): string {
    return this.instances.map(({ logFile }) => readFileSync(logFile, 'utf8')).join('');
  }

  async send({ method = 'GET', path, userId, isOperator = false, key, body }: Call): Promise<Answer> {
    if (this.#http === undefined) throw new Error('the fleet was not started');
    const token = await signToken(this.#jwtSecret, { userId, isOperator });
    const response = await this.#http.request({
      method,
      path,
      headers: {
        authorization: `Bearer ${token}`,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.body.text();
    const isJson = String(response.headers['content-type'] ?? '').includes('json');
    return {
      status: response.statusCode,
      headers: response.headers,
      text,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
    };
  }

  async stop(): Promise<void> {
    await this.#http?.close();
    await this.removeAll();
    await Promise.all(Object.values(this.#balancers).map((balancer) => balancer.stop()));
    await this.engines.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
