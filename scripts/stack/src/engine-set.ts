/** The three engines of one stack, each from the first source that has it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './children.ts';
import { isDockerRunning, startContainer } from './docker.ts';
import { ENGINE_NAMES } from './engine.ts';
import type { EngineKind, EngineName, Launched, Log, Program } from './engine.ts';
import { StackError, textOf } from './errors.ts';
import { makeFolder, removeStaleFolders } from './folders.ts';
import { kafka } from './kafka.ts';
import { claimFreeName, claimName } from './names.ts';
import type { Claim } from './names.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';

const KINDS: Record<EngineName, EngineKind> = { redis, kafka, postgres };

/** A port may be taken between finding and using it; a program that fails three times fails for another reason. */
const ATTEMPTS_MAX = 3;

export type EngineUrls = Record<EngineName, string>;

export interface Engines extends EngineUrls {
  /** The stack's name; differs from the one asked for only with `anyName`. */
  name: string;
  /** Where each came from: `environment`, `docker <image>`, `local …`, `cached …`, `installed …`, `mock`. */
  origin: Record<EngineName, string>;
  /** Of the engines that we run; none for those of the environment. */
  pids: Record<string, number>;
  /** SIGKILL, as a crash would; the data stays. Only for engines that run as a program of this machine. */
  kill(engine: EngineName): Promise<void>;
  /** Starts a killed engine again: same data, same URL. */
  restart(engine: EngineName): Promise<void>;
  stop(): Promise<void>;
}

export interface EngineOptions {
  name: string;
  log?: Log;
  /** Default: all three. The URL of one left out is ''. */
  only?: EngineName[];
  /** Takes `name-2`, `name-3`, … when the name is in use, instead of refusing. */
  anyName?: boolean;
  /** A name that the caller already holds. */
  claim?: Claim;
}

interface Running {
  url: string;
  origin: string;
  child?: Child;
  launch?: () => Promise<Launched>;
}

function isPortTaken(error: unknown): boolean {
  return /in use|EADDRINUSE|BindException|already allocated/i.test(textOf(error));
}

async function startProgram(
  kind: EngineKind,
  program: Program,
  folder: string,
  stack: string,
  log: Log,
): Promise<Running> {
  for (let attempt = 1; ; attempt += 1) {
    const place = {
      stack,
      folder: join(folder, `${kind.name}-${attempt}`),
      logFile: join(folder, `${kind.name}.log`),
      log,
    };
    try {
      const { launch } = await program.prepare(place);
      return { origin: program.origin, launch, ...(await launch()) };
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isPortTaken(error)) throw error;
      rmSync(place.logFile, { force: true });
    }
  }
}

function missing(kind: EngineKind): StackError {
  return new StackError(
    'SECKILL_STACK_ENGINE_MISSING',
    `${kind.name} is missing: there is no ${kind.variable}, no running Docker, no local program, and it could not be installed.\n` +
      `  Either start Docker, or provide ${kind.advice};\n` +
      `  or point ${kind.variable} to one that runs.`,
  );
}

async function startEngine(
  kind: EngineKind,
  hasDocker: boolean,
  folder: string,
  stack: string,
  log: Log,
): Promise<Running> {
  const given = process.env[kind.variable];
  if (given !== undefined && given !== '') return { url: given, origin: 'environment' };
  if (hasDocker) {
    const place = { stack, folder: join(folder, kind.name), logFile: join(folder, `${kind.name}.log`), log };
    try {
      return { origin: 'docker', ...(await startContainer(kind, place)) };
    } catch (error) {
      log(`${kind.name} not from Docker: ${textOf(error).split('\n')[0] ?? ''}`);
    }
  }
  const program = (await kind.find()) ?? (await kind.install(log));
  if (program === undefined) throw missing(kind);
  return startProgram(kind, program, folder, stack, log);
}

/**
 * Starts Redis, Kafka and PostgreSQL, or takes those that the environment names. On any failure what was started is
 * stopped again. Throws StackError: SECKILL_STACK_NAME_IN_USE, _ENGINE_MISSING, _ENGINE (with the tail of its log).
 */
export async function startEngines(options: EngineOptions): Promise<Engines> {
  const log = options.log ?? (() => undefined);
  const claim =
    options.claim ?? (options.anyName === true ? claimFreeName(options.name) : claimName(options.name));
  for (const stale of removeStaleFolders()) log(`removed ${stale}, left by a stack that was killed`);
  const folder = makeFolder(claim.name);
  const running = new Map<EngineName, Running>();
  const stop = async (): Promise<void> => {
    await Promise.all([...running.values()].map((engine) => engine.child?.stop()));
    rmSync(folder, { recursive: true, force: true });
    if (options.claim === undefined) claim.release();
  };
  const wanted = options.only ?? ENGINE_NAMES;
  const hasDocker = await isDockerRunning();
  const results = await Promise.allSettled(
    wanted.map(async (name) => {
      const begun = performance.now();
      const engine = await startEngine(KINDS[name], hasDocker, folder, claim.name, log);
      running.set(name, engine);
      log(`${name} ready after ${((performance.now() - begun) / 1000).toFixed(1)} s (${engine.origin})`);
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return describe(claim.name, running, stop);
}

function describe(name: string, running: Map<EngineName, Running>, stop: () => Promise<void>): Engines {
  const urlOf = (engine: EngineName): string => running.get(engine)?.url ?? '';
  const ours = (engine: EngineName): Running & { launch: () => Promise<Launched> } => {
    const found = running.get(engine);
    if (found?.launch === undefined)
      throw new StackError('SECKILL_STACK_ENGINE', `${engine} is not a program of ours`);
    return { ...found, launch: found.launch };
  };
  return {
    name,
    redis: urlOf('redis'),
    kafka: urlOf('kafka'),
    postgres: urlOf('postgres'),
    origin: {
      redis: running.get('redis')?.origin ?? '',
      kafka: running.get('kafka')?.origin ?? '',
      postgres: running.get('postgres')?.origin ?? '',
    },
    get pids() {
      const pids = [...running].flatMap(([engine, { child }]) =>
        child === undefined ? [] : [[engine, child.pid]],
      );
      return Object.fromEntries(pids) as Record<string, number>;
    },
    async kill(engine) {
      const { child } = ours(engine);
      child?.killGroup('SIGKILL');
      await child?.exited;
    },
    async restart(engine) {
      const found = ours(engine);
      await found.child?.stop();
      running.set(engine, { ...found, ...(await found.launch()) });
    },
    stop,
  };
}
