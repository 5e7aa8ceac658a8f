import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** A span as an OpenTelemetry collector receives it, OTLP in JSON. */
export interface ReceivedSpan {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  links: string[];
  attributes: Record<string, string | number>;
  hasFailed: boolean;
}

interface Value {
  stringValue?: string;
  intValue?: number;
}
interface Attribute {
  key: string;
  value: Value;
}
interface Exported {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: {
      spans: {
        name: string;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        links?: { traceId: string }[];
        attributes?: Attribute[];
        status?: { code?: number };
      }[];
    }[];
  }[];
}

/** Takes what processes tell of their spans, and keeps it in memory. */
export async function startCollector(
  t: Test,
): Promise<{ endpoint: string; spans: ReceivedSpan[]; bodies: string[] }> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      bodies.push(body);
      if (request.url === '/v1/traces') keep(spans, JSON.parse(body) as Exported);
      response.writeHead(request.url === '/v1/traces' ? 200 : 404, { 'content-type': 'application/json' });
      response.end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, bodies };
}

function keep(spans: ReceivedSpan[], { resourceSpans }: Exported): void {
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = String(read(resource.attributes)['service.name']);
    for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
      const { name, traceId, spanId, parentSpanId = '', links = [], attributes = [], status } = span;
      spans.push({
        service,
        name,
        traceId,
        spanId,
        parentSpanId,
        links: links.map((link) => link.traceId),
        attributes: read(attributes),
        hasFailed: status?.code === 2,
      });
    }
  }
}

function read(attributes: Attribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}
