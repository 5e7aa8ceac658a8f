import { ConfigReader, readKafkaAccess, UsageError, type KafkaAccess } from '@seckill/runtime';
import { onEnd, readStack, startStack, type Stack, type StackInfo } from '@seckill/stack';
import { Pool } from 'undici';
import { EngineReader } from '../engines/engines.ts';
import { createTokenSigner } from './token-signer.ts';

/** What is loaded: a stack of ours, one that runs on this machine, or any deployment behind a URL. */
export interface Target {
  kind: 'own' | 'running' | 'foreign';
  url: string;
  jwtSecret: string;
  http: Pool;
  operatorToken: string;
  tokenOf: (userId: string) => string;
  /** Undefined where only HTTP can be asked. The verdict is then what HTTP can tell. */
  engines: EngineReader | undefined;
  /** Process ids of the processes of this machine that serve the target. */
  pids: Record<string, number>;
  /** The stack's info, with the services' own addresses. A foreign target has none. */
  info: StackInfo | undefined;
  /** Set only when the stack is ours to stop and to pause. */
  stack: Stack | undefined;
  close: () => Promise<void>;
}

export interface TargetOptions {
  /** The name of a running stack. */
  name?: string;
  target?: string;
  secret?: string;
  redis?: string;
  kafka?: string;
  postgres?: string;
  /** What a stack that is started is called, where one process starts several. */
  ownName?: string;
  /** Variables for the services of a stack that is started. */
  env?: Record<string, string>;
  /** A stack that is started has engines of several nodes. */
  isCluster?: boolean;
  log: (line: string) => void;
}

/**
 * The crowd is a load on purpose, and it comes from one address. With production limits it would measure the
 * limiter.
 */
const LIMITS = { RATE_LIMIT_USER_MAX: '1000000', RATE_LIMIT_ADDRESS_MAX: '1000000' };

export async function openTarget(options: TargetOptions): Promise<Target> {
  assertTogether(options);
  if (options.target !== undefined) return openForeign(options, options.target);
  if (options.name !== undefined) {
    const info = readStack(options.name);
    return assemble({ kind: 'running', url: info.gateway, jwtSecret: info.jwtSecret, info, urls: info });
  }
  const session: { stack?: Stack } = {};
  const watch = onEnd(async () => session.stack?.stop());
  const stack = await startStack({
    name: options.ownName ?? `bench-${process.pid}`,
    env: { ...LIMITS, ...options.env },
    isCluster: options.isCluster === true,
    log: options.log,
  });
  session.stack = stack;
  const { info } = stack;
  const target = assemble({ kind: 'own', url: info.gateway, jwtSecret: info.jwtSecret, info, urls: info });
  return {
    ...target,
    stack,
    async close() {
      await target.close();
      await stack.stop();
      watch.release();
    },
  };
}

/**
 * Refuses options that would be ignored. The stack that is measured would not be the one that was meant.
 * @throws UsageError for such an option.
 */
function assertTogether({ name, target, secret, redis, kafka, postgres }: TargetOptions): void {
  if (target === undefined && [secret, redis, kafka, postgres].some((one) => one !== undefined)) {
    throw new UsageError('--secret, --redis, --kafka and --postgres go with --target');
  }
  if (target !== undefined && name !== undefined) throw new UsageError('either --name or --target');
}

function openForeign({ secret, redis, kafka, postgres }: TargetOptions, url: string): Target {
  if (secret === undefined) throw new UsageError('--target wants --secret, the JWT_SECRET of the deployment');
  const given = [redis, kafka, postgres].filter((one) => one !== undefined).length;
  if (given > 0 && given < 3) throw new UsageError('--redis, --kafka and --postgres go together');
  const urls =
    redis === undefined || kafka === undefined || postgres === undefined
      ? undefined
      : { redis, kafka, postgres };
  return assemble({
    kind: 'foreign',
    url,
    jwtSecret: secret,
    info: undefined,
    urls,
    access: readAccess(),
  });
}

function readAccess(): KafkaAccess {
  const reader = new ConfigReader();
  const access = readKafkaAccess(reader);
  reader.done();
  return access;
}

function assemble(parts: {
  kind: Target['kind'];
  url: string;
  jwtSecret: string;
  info: StackInfo | undefined;
  urls: { redis: string; kafka: string; postgres: string } | undefined;
  access?: KafkaAccess;
}): Target {
  const { kind, url, jwtSecret, info, urls, access } = parts;
  const sign = createTokenSigner(jwtSecret);
  const http = new Pool(url, { connections: 32, pipelining: 1, headersTimeout: 15_000 });
  const engines = urls === undefined ? undefined : new EngineReader(urls, access);
  return {
    kind,
    url,
    jwtSecret,
    http,
    operatorToken: sign('bench-operator', 'sale:admin'),
    tokenOf: (userId) => sign(userId),
    engines,
    pids: info?.pids ?? {},
    info,
    stack: undefined,
    async close() {
      await http.destroy();
      await engines?.close();
    },
  };
}
