import { createRegistry, type Http, type Registry } from '@seckill/runtime';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import { startApi } from '../../src/api.ts';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';

const JWT_SECRET = 's'.repeat(32);

/** Variables that the gateway cannot start without. Nobody listens on port 1. */
const NEEDED = {
  STOCK_URL: 'http://127.0.0.1:1',
  ORDER_URL: 'http://127.0.0.1:1',
  GATEWAY_TOKEN: 't'.repeat(32),
  JWT_SECRET,
  WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32).toString('base64')}`,
};

export interface TestGateway {
  app: Http;
  registry: Registry;
  /** What `/readyz` says. */
  setReady(isReady: boolean): void;
  stop(): Promise<void>;
}

/**
 * The gateway as `main.ts` assembles it, from environment variables, but without a port, signals and an exit.
 */
export async function startGateway(environment: Record<string, string>): Promise<TestGateway> {
  const closers: (() => Promise<unknown>)[] = [];
  let isReady = true;
  const registry = createRegistry();
  const deps = startApi({
    config: readConfig({ ...NEEDED, ...environment }),
    logger: pino({ enabled: false }),
    registry,
    lifecycle: {
      get isReady() {
        return isReady;
      },
      onStop(_name, close) {
        closers.push(close);
      },
    },
  });
  const app = await createApp(deps);
  closers.push(() => app.close());
  return {
    app,
    registry,
    setReady(to) {
      isReady = to;
    },
    async stop() {
      for (const close of closers.reverse()) await close();
    },
  };
}

export function tokenOf(userId: string, scope?: string): Promise<string> {
  return new SignJWT(scope === undefined ? {} : { scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(JWT_SECRET));
}
