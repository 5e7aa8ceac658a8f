/**
 * Goal: a container's health is its service's /readyz, and silence is no health. Method: the program beside a
 * server.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { test, type Test } from 'tap';

const PROGRAM = fileURLToPath(new URL('../dist/health-check.js', import.meta.url));

/** A service that answers `status` on /readyz, and its port. */
async function serve(t: Test, status: number): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? status : 404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return String((server.address() as AddressInfo).port);
}

function exitCodeOf(port: string): Promise<number> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM], { env: { ...process.env, PORT: port } }, (error) => {
      resolve(error === null ? 0 : Number(error.code));
    });
  });
}

await test('ready is 0, draining and absent are 1', async (t) => {
  t.equal(await exitCodeOf(await serve(t, 200)), 0);
  t.equal(await exitCodeOf(await serve(t, 503)), 1, 'draining');
  t.equal(await exitCodeOf('1'), 1, 'nobody listens');
});
