// Goal: the client ends with the code of every answer that the contract has, repeats what may be
// repeated and nothing else, and knows when it is in doubt. Method: a server answers the examples of
// openapi.json, which the routes wrote, and what is no answer of the API at all; the real system's
// answers stand in test/client.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { createClient, type Client, type ClientOptions } from '../src/index.ts';

interface Example {
  value: { code: string; status: number; retryable: boolean };
}
interface Reference {
  $ref: string;
}
interface Operation {
  operationId: string;
  responses: Record<string, { content?: Record<string, { examples?: Record<string, Reference> }> }>;
}

const contract = JSON.parse(readFileSync(new URL('../../../openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { examples: Record<string, Example> };
};
const exampleOf = ({ $ref }: Reference): Example[] => {
  const example = contract.components.examples[$ref.replace('#/components/examples/', '')];
  return example === undefined ? [] : [example];
};
const operations = Object.values(contract.paths).flatMap((methods) => Object.values(methods));

/** The server ends each call by a pause that is longer than this. */
const patient = { deadlineMs: 20_000 };
/** The deadline leaves time for one repeat after `Retry-After: 1` with its jitter, and for no second one. */
const options = { deadlineMs: 2_200 };
/** Further away than a timer can be set. */
const FAR = '2099-01-01T00:00:00.000Z';
const lines = [{ sku: 'a', quantity: 1 }];
const reserve = (client: Client): Promise<unknown> => client.reserve('s', { lines }, options);
const CALLS: Record<string, (client: Client) => Promise<unknown>> = {
  getSale: (client) => client.getSale('s', patient),
  reserve: (client) => client.reserve('s', { lines }, patient),
  getOrder: (client) => client.getOrder('o', patient),
  listOrders: async (client) => (await client.listOrders({}, patient).next()).value,
  cancelOrder: (client) => client.cancel('o', patient),
  payOrder: (client) => client.pay('o', patient),
};
const WRITES = new Set(['reserve', 'cancelOrder', 'payOrder']);

/** Has the client ask a server that always answers so. @returns its result, and the keys of its tries. */
async function hear(
  call: (client: Client) => Promise<unknown>,
  answer: (response: ServerResponse, tries: number) => void,
  more: Partial<ClientOptions> = {},
): Promise<{ result: Record<string, unknown>; keys: (string | undefined)[] }> {
  const keys: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key'] as string | undefined);
    answer(response, keys.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const result = (await call(createClient({ baseUrl: `http://127.0.0.1:${port}`, ...more }))) as Record<
    string,
    unknown
  >;
  server.closeAllConnections();
  server.close();
  return { result, keys };
}

await t.test('every example of the contract ends with its code, after the tries that may help', async (t) => {
  for (const [operationId, call] of Object.entries(CALLS)) {
    const operation = operations.find((one) => one.operationId === operationId);
    const all = Object.values(operation?.responses ?? {}).flatMap(({ content }) =>
      Object.values(content?.['application/problem+json']?.examples ?? {}).flatMap(exampleOf),
    );
    // The client reads no text, so one language of each code is enough: all of them are asked at once.
    const examples = [...new Map(all.map((one) => [one.value.code, one])).values()];
    t.ok(examples.length >= 5, `${operationId} has ${examples.length} examples`);
    const tryAll = examples.map(async ({ value }) => {
      const { result, keys } = await hear(call, (response, tries) => {
        response
          .writeHead(value.status, {
            'retry-after': tries === 1 ? '1' : '3600',
            'content-type': 'application/problem+json',
          })
          // If a sale opens soon, the client waits for the opening and not for `Retry-After`.
          .end(JSON.stringify({ ...value, ...('opensAt' in value ? { opensAt: FAR } : {}) }));
      });
      const name = `${operationId} ${value.code}`;
      const isWrite = WRITES.has(operationId);
      const mayHaveActed = value.code === 'outcome_unknown' || value.code === 'internal';
      t.match(result, { ok: false, code: value.code, status: value.status }, name);
      t.equal(result['inDoubt'], isWrite && mayHaveActed, `${name}: in doubt`);
      t.equal(keys.length, value.retryable || (isWrite && mayHaveActed) ? 2 : 1, `${name}: tries`);
      t.equal(new Set(keys).size, 1, `${name}: one key`);
      t.equal(keys[0] !== undefined, operationId === 'reserve', `${name}: a key where one is needed`);
    });
    await Promise.all(tryAll);
  }
});

await t.test("an answer that is not the API's is never taken for one", async (t) => {
  const page = (status: number) => (response: ServerResponse) => {
    response.writeHead(status, { 'retry-after': '1' }).end('<html>a proxy</html>');
  };
  const cases: [string, (response: ServerResponse) => void, object, number][] = [
    ['408', page(408), { code: 'unexpected_answer', retryable: true, inDoubt: false, status: 408 }, 2],
    ['429', page(429), { code: 'rate_limited', retryable: true, inDoubt: false }, 2],
    ['404', page(404), { code: 'unexpected_answer', retryable: false, inDoubt: false }, 1],
    ['502', page(502), { code: 'outcome_unknown', retryable: true, inDoubt: true, status: 502 }, 2],
    ['200', page(200), { code: 'outcome_unknown', retryable: true, inDoubt: true }, 2],
    [
      'half an answer',
      (response) => {
        response.writeHead(201, { 'content-length': 100 }).write('{"id":');
        setTimeout(() => response.destroy(), 50);
      },
      { code: 'outcome_unknown', inDoubt: true },
      1,
    ],
  ];
  for (const [name, answer, expected, tries] of cases) {
    const { result, keys } = await hear(reserve, answer);
    t.match(result, { ok: false, ...expected }, name);
    t.equal(keys.length, tries, `${name}: tries`);
  }
});

await t.test(
  'an answer that says nothing of the key does not end a doubt, and a definite one does',
  async (t) => {
    const problem = (status: number, code: string, retryable: boolean) => (response: ServerResponse) => {
      response
        .writeHead(status, { 'retry-after': '1' })
        .end(JSON.stringify({ type: 'x', status, code, retryable }));
    };
    const lost = problem(503, 'outcome_unknown', true);
    const then = async (second: (response: ServerResponse) => void) => {
      let tries = 0;
      const { result } = await hear(reserve, (response) => {
        tries += 1;
        (tries === 1 ? lost : second)(response);
      });
      return result;
    };
    const [busy, signedOut, soldOut] = await Promise.all([
      then(problem(503, 'overloaded', true)),
      then(problem(401, 'unauthenticated', false)),
      then(problem(409, 'sold_out', false)),
    ]);
    t.match(busy, { code: 'outcome_unknown', retryable: true, inDoubt: true });
    t.match(signedOut, { code: 'unauthenticated', retryable: false, inDoubt: true });
    t.match(soldOut, { code: 'sold_out', inDoubt: false });
  },
);

await t.test('after a 401 the token is asked for once more, and the call goes on with another', async (t) => {
  /** A server that takes one token. */
  const takes = (good: string) => (response: ServerResponse) => {
    if (response.req.headers.authorization === `Bearer ${good}`) response.writeHead(201).end('{"id":"r"}');
    else {
      response.writeHead(401).end('{"type":"x","status":401,"code":"unauthenticated","retryable":false}');
    }
  };
  const told: (string | undefined)[] = [];
  const renews = (to: () => string) => (refused?: string) => {
    told.push(refused);
    return refused === undefined ? 'old' : to();
  };
  const gone = { ok: false, code: 'unauthenticated', status: 401, retryable: false };
  const cases: [string, NonNullable<ClientOptions['token']>, object, number][] = [
    ['another', renews(() => 'new'), { ok: true, value: { id: 'r' } }, 2],
    ['the same', renews(() => 'old'), gone, 1],
    ['another that is refused too', renews(() => 'worse'), gone, 2],
    [
      'none',
      renews(() => {
        throw new Error('signed out');
      }),
      gone,
      1,
    ],
    ['a token that cannot be renewed', 'old', gone, 1],
  ];
  for (const [name, token, expected, tries] of cases) {
    told.length = 0;
    const { result, keys } = await hear(reserve, takes('new'), { token });
    t.match(result, expected, name);
    t.equal(keys.length, tries, `${name}: tries`);
    t.equal(new Set(keys).size, 1, `${name}: one key`);
    if (token !== 'old') t.same(told, [undefined, 'old'], `${name}: it is told which was refused`);
  }
});

await t.test('timeoutMs says how long a try waits for its answer', async (t) => {
  const slow = (response: ServerResponse): void => {
    setTimeout(() => response.end('{}'), 400);
  };
  const look = (client: Client): Promise<unknown> => client.getSale('s', { deadlineMs: 1_500 });
  const [usual, hasty] = await Promise.all([hear(look, slow), hear(look, slow, { timeoutMs: 100 })]);
  t.match(usual.result, { ok: true });
  t.match(hasty.result, { ok: false, code: 'outcome_unknown', cause: 'no answer within 100 ms' });
  t.same([usual.keys.length, hasty.keys.length], [1, 1], 'one try each');
});
