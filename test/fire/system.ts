/**
 * The system under fire: two processes of each service, on real engines, with a way of its own between each
 * process and whatever it talks to.
 */
import { startStack, type KafkaAlone, type ServiceName, type Stack } from '@seckill/stack';
import { startKafkaByWay } from '../support/kafka-way.ts';
import { Link } from './link.ts';
import { Member } from './member.ts';

const SERVICES: ServiceName[] = ['order', 'stock', 'gateway'];
const REPLICAS = [1, 2];

/** A hold without settlement waits a minute by default, which is as long as a short run. */
const SOONER = { ORPHAN_GRACE_MS: '5000', ORPHAN_REPUBLISH_MS: '5000', RELAY_SWEEP_MS: '5000' };
/** The crowd has one address, and its receiver of webhooks is on loopback. */
const OPENED = {
  RATE_LIMIT_USER_MAX: '1000000',
  RATE_LIMIT_ADDRESS_MAX: '1000000',
  WEBHOOK_ALLOW_PRIVATE: 'true',
};

export class System {
  readonly stack: Stack;
  readonly kafka: KafkaAlone;
  readonly links = new Map<string, Link>();
  /** Processes that ended although nobody killed them, which is a finding. */
  readonly deaths: string[] = [];
  readonly #members = new Map<string, Member>();
  #turn = 0;

  private constructor(stack: Stack, kafka: KafkaAlone, kafkaLink: Link) {
    this.stack = stack;
    this.kafka = kafka;
    this.links.set(kafkaLink.name, kafkaLink);
  }

  /** @throws Error where an engine cannot be had as a program of this machine: a container is not killed. */
  static async start(name: string, log: (line: string) => void): Promise<System> {
    let target: URL | undefined;
    const link = new Link('all > kafka', () => target);
    const port = await link.open();
    const aim = (url: URL): void => {
      target = url;
    };
    const kafka = await startKafkaByWay({ name: `${name}-kafka`, port, aim, log });
    process.env['KAFKA_BROKERS'] = `127.0.0.1:${port}`;
    const stack = await startStack({ name, env: { ...OPENED, ...SOONER }, log }).catch(
      async (error: unknown) => {
        await kafka.stop();
        throw error;
      },
    );
    const system = new System(stack, kafka, link);
    await system.#startMembers();
    return system;
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  namesOf(service: ServiceName): string[] {
    return this.names.filter((name) => this.#members.get(name)?.service === service);
  }

  get scrapes(): { pid: number; url: string }[] {
    return [...this.#members.values()].flatMap(({ scrape }) => scrape ?? []);
  }

  async #startMembers(): Promise<void> {
    // Theirs were the tables and topics. Processes of this test know no way but the links.
    for (const service of SERVICES) await this.stack.kill(service);
    for (const service of SERVICES) {
      for (const number of REPLICAS) {
        const name = `${service}-${number}`;
        this.#members.set(name, this.#makeMember(service, name, await this.#waysOf(service, name)));
      }
    }
    await Promise.all(this.names.map((name) => this.start(name)));
  }

  #makeMember(service: ServiceName, name: string, env: Record<string, string>): Member {
    return new Member({
      name,
      service,
      launch: () => this.stack.startProcess({ service, name, env }),
      onDeath: (text) => this.deaths.push(text),
    });
  }

  async #waysOf(service: ServiceName, name: string): Promise<Record<string, string>> {
    const { redis, postgres } = this.stack.info;
    const toStock = () => this.#link(`${name} > stock`, 'http://stock', () => this.#pick('stock'));
    const toOrder = () => this.#link(`${name} > order`, 'http://order', () => this.#pick('order'));
    const toRedis = () => this.#link(`${name} > redis`, redis, () => new URL(redis));
    const toPostgres = () => this.#link(`${name} > postgres`, postgres, () => new URL(postgres));
    if (service === 'gateway') {
      return { STOCK_URL: await toStock(), ORDER_URL: await toOrder(), REDIS_URL: await toRedis() };
    }
    if (service === 'stock') return { ORDER_URL: await toOrder(), REDIS_URL: await toRedis() };
    return { STOCK_URL: await toStock(), DATABASE_URL: await toPostgres() };
  }

  async #link(name: string, url: string, choose: () => URL | undefined): Promise<string> {
    const link = new Link(name, choose);
    this.links.set(name, link);
    const by = new URL(url);
    const port = await link.open();
    // The URL of an engine has a user and a password, which stay.
    if (by.protocol === 'http:') return `http://127.0.0.1:${port}`;
    by.host = `127.0.0.1:${port}`;
    return by.href;
  }

  /** A way for buyers and operators to each gateway, which can be hurt as well. */
  async openFront(): Promise<Map<string, string>> {
    const front = new Map<string, string>();
    for (const name of this.namesOf('gateway')) {
      const choose = (): URL | undefined => this.#members.get(name)?.url;
      front.set(name, await this.#link(`buyers > ${name}`, 'http://gateway', choose));
    }
    return front;
  }

  /** In turn, one that runs, as a Service of Kubernetes does; a frozen one runs. */
  #pick(service: ServiceName): URL | undefined {
    const running = this.namesOf(service).flatMap((name) => this.#members.get(name)?.url ?? []);
    this.#turn += 1;
    return running[this.#turn % running.length];
  }

  /** @throws Error when it was killed, or does not start again after it ended by itself. */
  async pidOf(name: string): Promise<number> {
    const member = this.#members.get(name);
    if (member !== undefined) return member.pid();
    const pid = name === 'kafka' ? this.kafka.pid : this.stack.engines.pids[name];
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  }

  /** SIGKILL. */
  async kill(name: string): Promise<void> {
    if (name === 'kafka') return this.kafka.kill();
    const member = this.#members.get(name);
    return member === undefined ? this.stack.engines.kill(name as 'redis' | 'postgres') : member.kill();
  }

  /** Starts what was killed. @throws Error when it does not start in time. */
  async start(name: string): Promise<void> {
    if (name === 'kafka') return this.kafka.restart();
    const member = this.#members.get(name);
    return member === undefined ? this.stack.engines.restart(name as 'redis' | 'postgres') : member.start();
  }

  async stop(): Promise<void> {
    for (const member of this.#members.values()) member.stop();
    await this.stack.stop();
    await Promise.all([...this.links.values()].map((link) => link.close()));
    await this.kafka.stop();
    delete process.env['KAFKA_BROKERS'];
  }
}
