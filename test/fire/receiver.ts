import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Webhook } from 'standardwebhooks';
import type { Front } from './front.ts';
import type { Operations } from './operations.ts';

const EVENTS = [
  ...['order.paid', 'order.expired', 'order.cancelled', 'order.refused', 'order.returned'],
  ...['sale.opened', 'sale.sold_out'],
];

/** The shop's own system, which fails at times, once for each event, and remembers what it was told. */
export class Receiver {
  /** Types of the events of each order or sale, as they came first, each event once. */
  readonly told = new Map<string, string[]>();
  forged = 0;
  /** Events that came again: they are delivered at least once. */
  repeated = 0;
  readonly #known = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #random: () => number;
  readonly #server: Server;
  #secret = '';

  constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => (text += part));
      request.on('end', () => {
        const headers = request.headers as Record<string, string>;
        response.writeHead(this.#take(text, headers)).end();
      });
    });
  }

  async start(front: Front, operations: Operations): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
    const answer = await operations.insist('endpoint', url, () =>
      front.send({
        method: 'POST',
        path: '/v1/webhook-endpoints',
        user: 'operator',
        isOperator: true,
        body: { url, events: EVENTS },
      }),
    );
    if (answer?.status !== 201) throw new Error(`no endpoint: ${answer?.text ?? 'no answer'}`);
    this.#secret = String(answer.body['secret']);
  }

  #take(text: string, headers: Record<string, string>): number {
    const id = headers['webhook-id'] ?? '';
    try {
      new Webhook(this.#secret).verify(text, headers);
    } catch {
      this.forged += 1;
      return 400;
    }
    if (!this.#failed.has(id) && this.#random() < 0.05) {
      this.#failed.add(id);
      return 500;
    }
    if (this.#known.has(id)) {
      this.repeated += 1;
      return 204;
    }
    this.#known.add(id);
    const { type, data } = JSON.parse(text) as { type: string; data: { id: string } };
    this.told.set(data.id, [...(this.told.get(data.id) ?? []), type]);
    return 204;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
