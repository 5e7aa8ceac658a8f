/**
 * The services of one stack. The services are started together, because each is told where the others are.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../machine/children.ts';
import type { Environment } from './environment.ts';
import { textOf } from '../errors.ts';
import type { Log } from '../machine/progress.ts';
import { claimContractPorts } from './contract-ports.ts';
import { choosePorts, CONTRACT_PORTS, SERVICE_NAMES, startService, untilServing } from './services.ts';
import type { Ports, ServiceName } from './services.ts';

const ATTEMPTS_MAX = 3;

export const urlOf = ({ port }: Ports): string => `http://127.0.0.1:${port}`;
export const metricsUrlOf = ({ metricsPort }: Ports): string => `http://127.0.0.1:${metricsPort}/metrics`;

export class ServiceSet {
  readonly children = new Map<string, Child>();
  readonly ports: Record<ServiceName, Ports>;
  readonly #env: Environment;
  readonly #folder: string;
  readonly #onEnded: (name: string, how: string) => void;
  readonly #releasePorts: () => void;
  /** Services that were ended on purpose and are not to be reported. */
  readonly #released = new Set<Child>();

  constructor(
    env: Environment,
    ports: Record<ServiceName, Ports>,
    folder: string,
    onEnded: (name: string, how: string) => void,
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
    const portEnv = { PORT: String(ports.port), METRICS_PORT: String(ports.metricsPort) };
    const logFile = this.logFileOf(name);
    const child = await startService({ service, name, env: { ...this.#env, ...extra, ...portEnv }, logFile });
    this.children.set(name, child);
    try {
      await untilServing(child, urlOf(ports), logFile);
    } catch (error) {
      await this.end(name, 'stop');
      throw error;
    }
    void child.exited.then(({ code, signal }) => {
      if (this.#released.has(child)) return;
      this.children.delete(name);
      this.#onEnded(name, `ended by itself (${signal ?? `exit code ${code ?? 'unknown'}`})`);
    });
    return child;
  }

  /** Ends a service. There is nothing to do for one that does not run. */
  async end(name: string, how: 'stop' | 'kill'): Promise<void> {
    const child = this.children.get(name);
    if (child === undefined) return;
    this.#released.add(child);
    if (how === 'kill') child.killGroup('SIGKILL');
    else await child.stop();
    await child.exited;
    this.children.delete(name);
  }

  /** Stops the gateway first, so that no buyer asks services that are leaving. */
  async stop(): Promise<void> {
    await this.end('gateway', 'stop');
    await Promise.all([...this.children.keys()].map((name) => this.end(name, 'stop')));
    this.#releasePorts();
  }
}

/**
 * Takes the known ports first. Takes free ones when another process takes one of the known ports meanwhile.
 */
export async function startServices(
  env: Environment,
  folder: string,
  onEnded: (name: string, how: string) => void,
  log: Log,
): Promise<ServiceSet> {
  for (let attempt = 1; ; attempt += 1) {
    // The claim is held while the stack runs.
    const claim = attempt === 1 ? claimContractPorts() : { reason: 'another program took one of them' };
    const release = 'release' in claim ? claim.release : undefined;
    const prefer = release !== undefined;
    const ports = {
      gateway: await choosePorts('gateway', prefer),
      stock: await choosePorts('stock', prefer),
      order: await choosePorts('order', prefer),
    };
    sayPorts(ports, 'reason' in claim ? claim.reason : 'another program listens there', log);
    for (const service of SERVICE_NAMES) rmSync(join(folder, `${service}.log`), { force: true });
    const services = new ServiceSet(env, ports, folder, onEnded, release);
    try {
      // The first service to fail tells why. The others may wait for it until their own time is over.
      await Promise.all(SERVICE_NAMES.map((service) => services.start(service, service, ports[service])));
      return services;
    } catch (error) {
      await services.stop();
      if (attempt === ATTEMPTS_MAX || !textOf(error).includes('EADDRINUSE')) throw error;
    }
  }
}

/** Says that the ports differ. A person who knows the ports by heart would ask another program. */
function sayPorts(ports: Record<ServiceName, Ports>, reason: string, log: Log): void {
  const { port } = CONTRACT_PORTS.gateway;
  if (ports.gateway.port === port) return;
  log(`port ${port} is taken (${reason}): the gateway listens on ${urlOf(ports.gateway)}`);
}
