/** The three engines of one stack. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDockerRunning } from './docker.ts';
import { ENGINE_NAMES } from './engine.ts';
import type { EngineKind, EngineName, Launched } from './engine.ts';
import { startCluster, type RunningCluster } from './cluster/start-cluster.ts';
import { ATTEMPTS_MAX, isPortTaken, startEngine } from './engine-source.ts';
import type { Running } from './engine-source.ts';
import { StackError } from '../errors.ts';
import { makeFolder, removeStaleFolders } from '../machine/folders.ts';
import type { Folder } from '../machine/folders.ts';
import { kafka } from './kafka.ts';
import { claimFreeName, claimName } from '../names.ts';
import type { Claim } from '../names.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import type { Log } from '../machine/progress.ts';

const KINDS: Record<EngineName, EngineKind> = { redis, kafka, postgres };

export type EngineUrls = Record<EngineName, string>;

export interface Engines extends EngineUrls {
  /** The stack's name. Only with `anyName` is this another name than the one asked for. */
  name: string;
  /** Where each engine came from: `environment`, `docker`, `local …`, `cached …`, `installed …`, `mock`. */
  origin: Record<EngineName, string>;
  /** Process ids of the engines that we run. Engines of the environment have none. */
  pids: Record<string, number>;
  /** What the services are told beside the addresses, when each engine is several nodes. */
  env: Record<string, string>;
  /** Resolves when an engine of ours ended by itself, with a text for a person. */
  broken: Promise<string>;
  /**
   * Sends SIGKILL, as a crash would. The data stays. This works only for engines that run as a program of
   * this machine.
   */
  kill(engine: EngineName): Promise<void>;
  /** Starts a killed engine again with the same data and the same URL. */
  restart(engine: EngineName): Promise<void>;
  stop(): Promise<void>;
}

export interface EngineOptions {
  name: string;
  log?: Log;
  /** The engines to start. The default is all three. The URL of one that is left out is ''. */
  only?: EngineName[];
  /** Takes `name-2`, `name-3`, … when the name is in use, and does not refuse. */
  anyName?: boolean;
  /** A name that the caller already holds, and also releases. */
  claim?: Claim;
  /** Called each time an engine of ours, or a node of one, ends by itself: how, and what starts it again. */
  onEnded?: OnEnded;
  /** Each engine is several nodes, programs of this machine, as production runs them. */
  isCluster?: boolean;
}

type OnEnded = (name: string, how: string, start: () => Promise<void>) => void;

class EngineSet implements Engines {
  readonly name: string;
  readonly broken: Promise<string>;
  readonly #running = new Map<EngineName, Running>();
  readonly #clusters = new Map<EngineName, RunningCluster>();
  readonly #folder: Folder;
  readonly #release: () => void;
  readonly #onEnded: OnEnded;
  #report: (text: string) => void = () => undefined;
  #isStopping = false;

  constructor(name: string, folder: Folder, release: () => void, onEnded: OnEnded) {
    this.#onEnded = onEnded;
    this.name = name;
    this.#folder = folder;
    this.#release = release;
    this.broken = new Promise((resolve) => {
      this.#report = resolve;
    });
  }

  get redis(): string {
    return this.#find('redis')?.url ?? '';
  }

  get kafka(): string {
    return this.#find('kafka')?.url ?? '';
  }

  get postgres(): string {
    return this.#find('postgres')?.url ?? '';
  }

  get origin(): Record<EngineName, string> {
    const originOf = (engine: EngineName): string => this.#find(engine)?.origin ?? '';
    return { redis: originOf('redis'), kafka: originOf('kafka'), postgres: originOf('postgres') };
  }

  get pids(): Record<string, number> {
    const pids = [...this.#running].flatMap(([engine, { child }]) =>
      child?.isRunning() === true ? [[engine, child.pid] as const] : [],
    );
    const ofNodes = [...this.#clusters.values()].flatMap(({ nodes }) => Object.entries(nodes.pids));
    return Object.fromEntries([...pids, ...ofNodes]);
  }

  get env(): Record<string, string> {
    return Object.assign({}, ...[...this.#clusters.values()].map(({ env }) => env)) as Record<string, string>;
  }

  async start(engine: EngineName, hasDocker: boolean, log: Log): Promise<void> {
    const begun = performance.now();
    const running = await startEngine(KINDS[engine], hasDocker, this.#folder.path, this.name, log);
    this.#running.set(engine, running);
    this.#watch(engine, running);
    log(`${engine} ready after ${((performance.now() - begun) / 1000).toFixed(1)} s (${running.origin})`);
  }

  async startCluster(engine: EngineName, log: Log): Promise<void> {
    const begun = performance.now();
    const cluster = await this.#tryCluster(engine, log);
    this.#clusters.set(engine, cluster);
    const nodes = Object.keys(cluster.nodes.pids).join(', ');
    log(`${nodes} ready after ${((performance.now() - begun) / 1000).toFixed(1)} s (${cluster.origin})`);
  }

  async #tryCluster(engine: EngineName, log: Log): Promise<RunningCluster> {
    for (let attempt = 1; ; attempt += 1) {
      const folder = join(this.#folder.path, `${engine}-${attempt}`);
      // PostgreSQL's user has to pass through.
      mkdirSync(folder, { mode: 0o711 });
      try {
        return await startCluster(engine, {
          folder,
          stack: this.name,
          log,
          onEnded: (name, how, start) => {
            this.#ended(name, how, start);
          },
        });
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !isPortTaken(error)) throw error;
      }
    }
  }

  async kill(engine: EngineName): Promise<void> {
    const { child } = this.#ours(engine);
    this.#running.set(engine, { ...this.#ours(engine), child: undefined });
    child?.killGroup('SIGKILL');
    await child?.exited;
  }

  async restart(engine: EngineName): Promise<void> {
    const before = this.#ours(engine);
    this.#running.set(engine, { ...before, child: undefined });
    await before.child?.stop();
    const running = { ...before, ...(await before.launch()) };
    this.#running.set(engine, running);
    this.#watch(engine, running);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const children = [...this.#running.values()].flatMap(({ child }) => (child === undefined ? [] : [child]));
    const clusters = [...this.#clusters.values()];
    await Promise.all([...children.map((child) => child.stop()), ...clusters.map((one) => one.stop())]);
    this.#folder.remove();
    this.#release();
  }

  /** Watches an engine. An engine that was killed or restarted on purpose is no longer the one of the map. */
  #watch(engine: EngineName, { child }: Running): void {
    void child?.exited.then(({ code, signal }) => {
      if (this.#running.get(engine)?.child !== child) return;
      const how = `ended by itself (${signal ?? `exit code ${code ?? 'unknown'}`})`;
      this.#ended(engine, how, () => this.restart(engine));
    });
  }

  #ended(name: string, how: string, start: () => Promise<void>): void {
    if (this.#isStopping) return;
    this.#onEnded(name, how, start);
    this.#report(`${name} ${how}`);
  }

  #find(engine: EngineName): Pick<Running, 'url' | 'origin'> | undefined {
    return this.#running.get(engine) ?? this.#clusters.get(engine);
  }

  #ours(engine: EngineName): Running & { launch: () => Promise<Launched> } {
    const found = this.#running.get(engine);
    if (found?.launch === undefined)
      throw new StackError('SECKILL_STACK_ENGINE', `${engine} is not a program of ours`);
    return { ...found, launch: found.launch };
  }
}

/**
 * Starts Redis, Kafka and PostgreSQL, or takes those that the environment names. On any failure, what was
 * started is stopped again.
 * @throws StackError SECKILL_STACK_NAME_IN_USE, _ENGINE_MISSING, _ENGINE (with the tail of its log).
 */
export async function startEngines(options: EngineOptions): Promise<Engines> {
  const log = options.log ?? (() => undefined);
  const claim =
    options.claim ?? (options.anyName === true ? claimFreeName(options.name) : claimName(options.name));
  for (const stale of removeStaleFolders()) log(`removed ${stale}, left by a stack that was killed`);
  const release = options.claim === undefined ? claim.release : () => undefined;
  const engines = new EngineSet(
    claim.name,
    makeFolder(claim.name),
    release,
    options.onEnded ?? (() => undefined),
  );
  const hasDocker = options.isCluster !== true && (await isDockerRunning());
  const wanted = options.only ?? ENGINE_NAMES;
  const start = (engine: EngineName): Promise<void> =>
    options.isCluster === true ? engines.startCluster(engine, log) : engines.start(engine, hasDocker, log);
  const results = await Promise.allSettled(wanted.map(start));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return engines;
  await engines.stop();
  throw failed.reason;
}
