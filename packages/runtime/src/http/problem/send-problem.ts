import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpOptions } from '../app.ts';
import { languageOf, tellLanguage } from './language.ts';
import { problemDocument, retryAfterOf, type Problem } from './problem.ts';

/** Answers with a problem, in the language that the client likes best. */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
  options: Pick<HttpOptions, 'docsBaseUrl'>,
): void {
  const language = languageOf(request.headers['accept-language']);
  const body = problemDocument(problem, {
    requestId: request.id,
    language,
    docsBaseUrl: options.docsBaseUrl ?? '',
  });
  if (problem.retryAfterSeconds !== undefined) {
    reply.header('retry-after', retryAfterOf(problem.retryAfterSeconds));
  }
  tellLanguage(reply, language);
  reply
    .code(body.status)
    .header('x-request-id', request.id)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer((document: unknown) => JSON.stringify(document))
    .send(body);
}
