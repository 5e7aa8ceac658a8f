/**
 * Health check of a container, in Node because the image has no other client: exits 0 when the service beside
 * it is ready. One image holds three services, and one of them runs in a container: PORT, else the ports that
 * the services listen on by default.
 */
import { get } from 'node:http';

const ANSWER_MS = 2_000;

const PORTS = [8080, 8081, 8082];

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', timeout: ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => {
      resolve(false);
    });
  });
}

const given = process.env['PORT'] ?? '';
const answers = await Promise.all((given === '' ? PORTS : [Number(given)]).map(isReady));
process.exit(answers.includes(true) ? 0 : 1);
