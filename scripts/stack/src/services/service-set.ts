/** The services of one stack: started together, because each is told where the others are. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../machine/children.ts';
import { tryClaimFile } from '../machine/claims.ts';
import type { Environment } from './environment.ts';
import { textOf } from '../errors.ts';
import { choosePorts, SERVICE_NAMES, startService, untilServing } from './services.ts';
import type { Ports, ServiceName } from './services.ts';

const ATTEMPTS_MAX = 3;

/** One for the machine, wherever TMPDIR points. */
const CONTRACT_PORTS_FILE = '/tmp/seckill-contract-ports.json';

export const urlOf = ({ port }: Ports): string => `http://127.0.0.1:${port}`;

export class ServiceSet {
  readonly children = new Map<string, Child>();
  readonly ports: Record<ServiceName, Ports>;
  readonly #env: Environment;
  readonly #folder: string;
  readonly #onEnded: (name: string) => void;
  readonly #releasePorts: () => void;
  /** Ended on purpose: not to be reported. */
  readonly #released = new Set<Child>();

  constructor(
    env: Environment,
    ports: Record<ServiceName, Ports>,
    folder: string,
    onEnded: (name: string) => void,
    releasePorts: () => void = () => undefined,
  ) {
    this.#releasePorts = releasePorts;
    this.ports = ports;
    this.#env = { ...env, STOCK_URL: urlOf(ports.stock), ORDER_URL: urlOf(ports.order) };
    this.#folder = folder;
    this.#onEnded = onEnded;
  }

  logFileOf(name: string): string {
    return join(this.#folder, `${name}.log`);
  }

  async start(service: ServiceName, name: string, ports: Ports, extra: Environment = {}): Promise<Child> {
    const place = { PORT: String(ports.port), METRICS_PORT: String(ports.metricsPort) };
    const logFile = this.logFileOf(name);
    const child = await startService({ service, name, env: { ...this.#env, ...extra, ...place }, logFile });
    this.children.set(name, child);
    try {
      await untilServing(child, urlOf(ports), logFile);
    } catch (error) {
      await this.end(name, 'stop');
      throw error;
    }
    void child.exited.then(() => {
      if (!this.#released.has(child)) this.#onEnded(name);
    });
    return child;
  }

  /** Nothing to do for one that does not run. */
  async end(name: string, how: 'stop' | 'kill'): Promise<void> {
    const child = this.children.get(name);
    if (child === undefined) return;
    this.#released.add(child);
    if (how === 'kill') child.killGroup('SIGKILL');
    else await child.stop();
    await child.exited;
    this.children.delete(name);
  }

  /** The gateway first, so that no buyer asks services that are leaving. */
  async stop(): Promise<void> {
    await this.end('gateway', 'stop');
    await Promise.all([...this.children.keys()].map((name) => this.end(name, 'stop')));
    this.#releasePorts();
  }
}

/** Contract ports first, free ones when another process takes one of them meanwhile. */
export async function startServices(
  env: Environment,
  folder: string,
  onEnded: (name: string) => void,
): Promise<ServiceSet> {
  for (let attempt = 1; ; attempt += 1) {
    // Held while the stack runs. Looking whether 8080 is free is not enough: of two stacks that start together, one
    // would take the other's service for its own (seen), because /readyz answers 200 before its own fails to listen.
    const release = attempt === 1 ? tryClaimFile(CONTRACT_PORTS_FILE) : undefined;
    const prefer = release !== undefined;
    const ports = {
      gateway: await choosePorts('gateway', prefer),
      stock: await choosePorts('stock', prefer),
      order: await choosePorts('order', prefer),
    };
    for (const service of SERVICE_NAMES) rmSync(join(folder, `${service}.log`), { force: true });
    const services = new ServiceSet(env, ports, folder, onEnded, release);
    try {
      // The first to fail tells why: the others may wait for it until their own time is over.
      await Promise.all(SERVICE_NAMES.map((service) => services.start(service, service, ports[service])));
      return services;
    } catch (error) {
      await services.stop();
      if (attempt === ATTEMPTS_MAX || !textOf(error).includes('EADDRINUSE')) throw error;
    }
  }
}
