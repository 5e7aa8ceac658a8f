import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { collectDefaultMetrics, Registry } from 'prom-client';

export { Counter, Gauge, Histogram } from 'prom-client';
export { Registry };

/** Each part of a process has a registry of its own, so that tests can build several apps in one process. */
export function createRegistry(): Registry {
  return new Registry();
}

/**
 * Gauges of prom-client that end like counters, which `promtool check metrics` refuses. These gauges are sums
 * of nodejs_active_handles, _requests and _resources, which stay.
 */
const DOUBLED = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

export interface MetricsServer {
  port: number;
  close(): Promise<void>;
}

/** Serves `/metrics` on a port of its own, never on the public one. Port 0 takes a free one. */
export async function serveMetrics(
  registry: Registry,
  options: { host: string; port: number },
): Promise<MetricsServer> {
  collectDefaultMetrics({ register: registry });
  for (const name of DOUBLED) registry.removeSingleMetric(name);
  const server: Server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
