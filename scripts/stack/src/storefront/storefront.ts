/**
 * Serves the example storefront on loopback, beside a local stack and nowhere else: whoever asks `/session`
 * is signed in as a made-up buyer, which no real shop may do. The page calls the gateway from another origin
 * (D71), as a shop's page would that lies on a content network.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isPortFree } from '../machine/ports.ts';
import { signToken } from '../services/jwt.ts';
import { buildPage } from './page.ts';
import type { PageFile } from './page.ts';

/** The address that the documents name. */
const PORT = 8090;
const TOKEN_SECONDS = 900;
const COOKIE = 'seckill_demo_buyer';
const COOKIE_SECONDS = 30 * 86_400;

/** What it speaks for, once that runs. */
interface Backend {
  gateway: string;
  jwtSecret: string;
}

export interface Storefront {
  url: string;
  /** The origins of the page, for the gateway's `ALLOWED_ORIGINS`. */
  origins: string[];
  /** Until then `/session` answers 503. */
  open(backend: Backend): void;
  stop(): Promise<void>;
}

function headersOf(file: PageFile, gateway: string): Record<string, string> {
  return {
    'content-type': file.type,
    'cache-control': 'no-cache',
    'content-security-policy':
      `default-src 'none'; script-src 'self'; style-src 'self'; img-src https: data:; connect-src 'self' ${gateway}; ` +
      `base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'`,
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
}

/** The browser's buyer, who keeps the orders when the page is loaded anew. */
function buyerOf(request: IncomingMessage): string {
  const [, buyer] =
    new RegExp(`(?:^|; )${COOKIE}=(demo-[0-9a-f]{16})(?:;|$)`).exec(request.headers.cookie ?? '') ?? [];
  return buyer ?? `demo-${randomBytes(8).toString('hex')}`;
}

async function signIn(request: IncomingMessage, response: ServerResponse, backend: Backend): Promise<void> {
  const userId = buyerOf(request);
  const token = await signToken(backend.jwtSecret, { userId, ttlSeconds: TOKEN_SECONDS });
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'set-cookie': `${COOKIE}=${userId}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${COOKIE_SECONDS}`,
  });
  response.end(JSON.stringify({ gateway: backend.gateway, token, expiresInSeconds: TOKEN_SECONDS }));
}

/** Listens on 8090, or on a free port where that is taken or `preferKnownPort` is false. */
export async function serveStorefront(preferKnownPort: boolean): Promise<Storefront> {
  const files = await buildPage();
  let backend: Backend | undefined;
  let hosts: string[] = [];
  const server = createServer((request, response) => {
    const refuse = (status: number): void => void response.writeHead(status).end();
    // A page of another site whose name was pointed at this machine would ask for its own host.
    if (!hosts.includes(request.headers.host ?? '')) {
      refuse(421);
      return;
    }
    if (backend === undefined) {
      response
        .writeHead(503, { 'retry-after': '2', refresh: '2', 'content-type': 'text/plain; charset=utf-8' })
        .end('The stack is starting; this page comes by itself.\n');
      return;
    }
    if (request.url === '/session' && request.method === 'POST') {
      // A form of another site would take the place of the buyer of before.
      const { origin } = request.headers;
      if (origin !== undefined && !hosts.some((host) => origin === `http://${host}`)) refuse(403);
      else void signIn(request, response, backend);
      return;
    }
    const file = files.get(request.url ?? '');
    if (file === undefined) refuse(404);
    else if (request.method !== 'GET' && request.method !== 'HEAD') refuse(405);
    else
      response
        .writeHead(200, headersOf(file, backend.gateway))
        .end(request.method === 'GET' ? file.text : '');
  });
  const wanted = preferKnownPort && (await isPortFree(PORT)) ? PORT : 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host: '127.0.0.1', port: wanted }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the storefront has no port');
  hosts = [`127.0.0.1:${address.port}`, `localhost:${address.port}`];
  return {
    url: `http://${hosts[0] ?? ''}`,
    origins: hosts.map((host) => `http://${host}`),
    open(opened) {
      backend = opened;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
