import { HEADERS } from '@seckill/contracts';
import { LINKS_MAX, sampledTraceparent, type Span, type Tracing } from './tracing.ts';

/**
 * A span for each message of a traced order, from now until Kafka has confirmed it. The message carries its
 * span on, so that whoever reads it goes on with the trace.
 */
export async function traceSending<Message extends { headers?: Record<string, string> }>(
  tracing: Tracing | undefined,
  topic: string,
  messages: Message[],
  send: (messages: Message[]) => Promise<void>,
): Promise<void> {
  if (tracing === undefined) return send(messages);
  const spans: Span[] = [];
  const traced = messages.map((message) => {
    const parent = sampledTraceparent(message.headers?.[HEADERS.traceparent]);
    const span =
      parent && tracing.start(`send ${topic}`, { kind: 'producer', parent, attributes: naming(topic) });
    if (!span) return message;
    spans.push(span);
    return { ...message, headers: { ...message.headers, [HEADERS.traceparent]: span.traceparent } };
  });
  return around(spans, () => send(traced));
}

/**
 * One span for what is done with a batch, with a link to each traced message of it, and one in the trace of
 * each message, so that an order's own trace goes on. Both last as long as the batch.
 */
export async function traceBatch(
  tracing: Tracing | undefined,
  { topic, messages }: { topic: string; messages: { headers: Record<string, string> }[] },
  handle: () => Promise<void>,
): Promise<void> {
  if (tracing === undefined) return handle();
  const parents = messages
    .map(({ headers }) => sampledTraceparent(headers[HEADERS.traceparent]))
    .filter((parent) => parent !== undefined)
    .slice(0, LINKS_MAX);
  if (parents.length === 0) return handle();
  const name = `process ${topic}`;
  const batch = tracing.start(`${name} batch`, {
    kind: 'consumer',
    links: parents,
    attributes: { ...naming(topic), 'messaging.batch.message_count': messages.length },
  });
  const spans = parents.map((parent) =>
    tracing.start(name, {
      kind: 'consumer',
      parent,
      links: batch === undefined ? [] : [batch.traceparent],
      attributes: naming(topic),
    }),
  );
  return around([batch, ...spans], handle);
}

/** OpenTelemetry's conventions for messaging. */
function naming(topic: string) {
  return { 'messaging.system': 'kafka', 'messaging.destination.name': topic };
}

async function around(spans: (Span | undefined)[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    for (const span of spans) span?.end(error);
    throw error;
  }
  for (const span of spans) span?.end();
}
