import type { Child } from '@seckill/stack';
import type { Side } from './side.ts';
import { startBaseline } from '../target/baseline.ts';
import { openTarget, type Target } from '../target/target.ts';

export const BASELINES = [
  'plain',
  'unbatched',
  'postgres-row',
  'postgres-skip-locked',
  'redis-watch',
] as const;
export type SideName = 'product' | (typeof BASELINES)[number];

/**
 * Redis rewrites its AOF when the file has doubled, the first time at 64 MB. That would happen several times
 * in a comparison, each time in some side's window. `settleEngines` rewrites the AOF between the windows
 * instead. What Redis syncs, and when, stays as it is.
 */
const AOF_REWRITE_BYTES_MIN = '8gb';

export interface Rig {
  target: Target;
  sides: Record<SideName, Side>;
  close(): Promise<void>;
}

/**
 * Starts the product and all baselines at once, on one set of engines. The sides that are not asked idle,
 * which is alike for every side. `unbatched` is a second gateway before the same stock. `plain` is a third
 * gateway before a stub.
 */
export async function startRig(log: (line: string) => void): Promise<Rig> {
  const target = await openTarget({ log });
  const children: Child[] = [];
  const close = async () => {
    await Promise.all(children.map((child) => child.stop()));
    await target.close();
  };
  try {
    const { stack, info, engines } = target;
    if (stack === undefined || info === undefined || engines === undefined)
      throw new Error('no stack of our own');
    await engines.configureRedis('auto-aof-rewrite-min-size', AOF_REWRITE_BYTES_MIN);

    const stub = await startBaseline('plain-stock', {}, children);
    const plain = await stack.startProcess({
      service: 'gateway',
      name: 'gateway-plain',
      env: { STOCK_URL: stub.url },
    });
    // The gateway makes as many calls at once as it has connections. With fewer, batches of one would wait
    // for each other, which batches never did before.
    const unbatched = await stack.startProcess({
      service: 'gateway',
      name: 'gateway-unbatched',
      env: { RESERVE_BATCH_COUNT_MAX: '1', RESERVE_CALLS_MAX: '64' },
    });
    const env = { JWT_SECRET: info.jwtSecret, DATABASE_URL: info.postgres, REDIS_URL: info.redis };
    const row = await startBaseline('postgres-row', env, children);
    const skipLocked = await startBaseline('postgres-skip-locked', env, children);
    const watch = await startBaseline('redis-watch', env, children);
    log('baselines are ready');

    const { gateway: gatewayPid = 0, ...rest } = target.pids;
    const enginePids = Object.fromEntries(
      ['redis', 'kafka', 'postgres'].flatMap((name) =>
        rest[name] === undefined ? [] : [[name, rest[name]]],
      ),
    );
    const shop = ({ url, child }: { url: string; child: Child }): Side => ({
      kind: 'shop',
      url,
      pids: { shop: child.pid, ...enginePids },
    });
    const sides: Record<SideName, Side> = {
      product: { kind: 'product', url: info.gateway, pids: { gateway: gatewayPid, ...rest } },
      unbatched: { kind: 'product', url: unbatched.url, pids: { gateway: unbatched.child.pid, ...rest } },
      plain: { kind: 'plain', url: plain.url, pids: { gateway: plain.child.pid, stub: stub.child.pid } },
      'postgres-row': shop(row),
      'postgres-skip-locked': shop(skipLocked),
      'redis-watch': shop(watch),
    };
    return { target, sides, close };
  } catch (error) {
    await close();
    throw error;
  }
}
