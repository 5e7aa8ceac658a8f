import { existsSync, readFileSync } from 'node:fs';
import type { Http } from '@seckill/runtime';
import type { RouteDeps } from '../deps.ts';

/** Where services/gateway/console/build.js puts the page; the same place from `src` and from `dist`. */
const FOLDER = new URL('../../dist/console-page/', import.meta.url);

const PAGE = { file: 'index.html', type: 'text/html; charset=utf-8' };
const FILES = {
  '/console': PAGE,
  '/console/': PAGE,
  '/console/console.js': { file: 'console.js', type: 'text/javascript; charset=utf-8' },
  '/console/style.css': { file: 'style.css', type: 'text/css; charset=utf-8' },
};

/** Nothing from elsewhere, nothing inline, no frame around it, and no form that leads away (D75). */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * Serves the operators' page. The page itself is no secret; whatever it shows it asks for with a token.
 * @throws Error when the page was not built.
 */
export function consoleRoutes(app: Http, { admit }: Pick<RouteDeps, 'admit'>): void {
  for (const [url, { file, type }] of Object.entries(FILES)) {
    const path = new URL(file, FOLDER);
    if (!existsSync(path)) throw new Error('CONSOLE=true, and the page is not built: npm run build');
    const content = readFileSync(path);
    app.get(url, { onRequest: admit, schema: { hide: true } }, async (_request, reply) =>
      reply
        .headers({ 'content-security-policy': POLICY, 'cache-control': 'no-cache' })
        .type(type)
        .send(content),
    );
  }
}
