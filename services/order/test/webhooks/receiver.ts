import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface Received {
  headers: IncomingHttpHeaders;
  text: string;
  body: { type: string; timestamp: string; data: Record<string, unknown> };
}

/** A shop's own system on loopback. The receiver answers 204 unless told otherwise. */
export async function createReceiver(
  t: Test,
  answer: (response: ServerResponse, seen: Received[]) => void = (response) => response.writeHead(204).end(),
): Promise<{ url: string; seen: Received[] }> {
  const seen: Received[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      seen.push({ headers: request.headers, text, body: JSON.parse(text) as Received['body'] });
      answer(response, seen);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?shop=1`, seen };
}
