import { createHash } from 'node:crypto';
import swagger, { type StaticDocumentSpec } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { Http } from '@seckill/runtime';
import type { RouteDeps } from '../deps.ts';
import { buildDocument, type Route } from '../openapi/document.ts';
import { buildErrorsPage, ERRORS_PAGE_POLICY } from '../openapi/errors-page.ts';
import { matchesEtag } from '../sales/sale-view.ts';

/** Routes of the contract that are registered elsewhere, or here. */
const PLAIN: readonly Route[] = ['/livez', '/readyz', '/openapi.json'].map((url) => ({
  method: 'GET',
  url,
  schema: {},
}));

/**
 * `/openapi.json`, `/docs` to read and try it, and `/errors`, where the `type` of a problem leads without
 * `DOCS_BASE_URL`. The page's files come from this process; the page may load
 * nothing from elsewhere and call nobody but this origin.
 * @param routes every route that was registered before
 */
export async function contractRoutes(
  app: Http,
  { admit, docsBaseUrl }: Pick<RouteDeps, 'admit' | 'docsBaseUrl'>,
  routes: readonly Route[],
): Promise<void> {
  const document = buildDocument([...routes, ...PLAIN], docsBaseUrl);
  const text = JSON.stringify(document);
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;

  const errorsPage = buildErrorsPage();

  app.get('/openapi.json', { onRequest: admit }, async (request, reply) => {
    reply.header('etag', etag).header('cache-control', 'public, max-age=300');
    if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(text);
  });

  app.get('/errors', { onRequest: admit }, async (_request, reply) =>
    reply
      .headers({ 'content-security-policy': ERRORS_PAGE_POLICY, 'cache-control': 'public, max-age=300' })
      .type('text/html; charset=utf-8')
      .send(errorsPage),
  );

  await app.register(swagger, {
    mode: 'static',
    specification: { document: document as unknown as StaticDocumentSpec['document'] },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: {
      'default-src': ["'none'"],
      'base-uri': ["'none'"],
      'connect-src': ["'self'"],
      'font-src': ["'self'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
      'img-src': ["'self'", 'data:'],
      'script-src': ["'self'"],
      'style-src': ["'self'", "'unsafe-inline'"],
    },
    uiConfig: { deepLinking: true, docExpansion: 'list', persistAuthorization: false },
    uiHooks: {
      onRequest(request, reply, done) {
        admit(request, reply).then(() => {
          done();
        }, done);
      },
    },
  });
}
