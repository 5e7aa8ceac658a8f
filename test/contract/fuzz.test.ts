// Goal: whatever is sent to any call of the contract, the gateway never answers 500, and never what the
// contract does not say: no other status, content type, header or shape. Method: schemathesis makes requests,
// right and wrong ones, from the committed openapi.json, for a fixed time, against the whole system with real
// sales and an order. SECKILL_SEED repeats a run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchPythonTool, findProgram, ROOT, run } from '@seckill/stack';
import t from 'tap';
import { makeBuyer, oneOf } from '../support/buyer.ts';
import { buildStack, createSale, oneItem, untilRows } from '../support/stack.ts';

const FUZZ_SECONDS = 60;
/** The time above ends the run. This time ends a run that hangs. */
const RUN_MS = 170_000;
const REQUIREMENTS = join(ROOT, 'test/contract/requirements.txt');
const CHECKS = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance'],
  ...['response_headers_conformance', 'response_schema_conformance'],
].join(',');

/**
 * A text of the contract has something to see, which takes classes of characters that the fuzzer's regular
 * expressions lack. Without that part it makes texts of which most fit, so that requests get through.
 */
const withoutClasses = (contract: string): string => contract.replaceAll(VISIBLE, '');
const VISIBLE = /\(\?=\.\*\(\?!\[\\\\p\{Default_Ignorable_Code_Point\}[^\]]*\]\)\[[^\]]*\]\)/g;

t.setTimeout(300_000);
const tool = await fetchPythonTool('schemathesis', REQUIREMENTS, (line) => {
  t.comment(line);
});
if (tool === undefined) t.plan(0, 'no schemathesis');
else {
  const system = await buildStack(t, 'contract');
  const folder = mkdtempSync(join(tmpdir(), 'seckill-contract-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  await t.test('no answer is a 500, and none is outside the contract', async (t) => {
    // A made-up address of a webhook endpoint may lead anywhere on the internet. Without the role nobody is
    // called.
    await system.stack.restart('order', { ROLES: 'http,intake,expiry,relay' });
    // Buyers buy from one sale, and operators close and change the other.
    for (const id of ['fuzz-sold', 'fuzz-steered'])
      await createSale(system, id, { items: [oneItem(100_000)] });
    const token = await system.token('operator', true);
    const webhook = await system.send({
      method: 'POST',
      path: '/v1/webhook-endpoints',
      token,
      body: { url: 'https://shop.example/hook', events: ['order.paid'] },
    });
    t.equal(webhook.status, 201);
    const buyer = makeBuyer(system, 'operator');
    const reserved = await buyer.reserve('fuzz-sold', oneOf('a'));
    if (!reserved.ok) throw new Error(reserved.code);
    await untilRows(system, 'fuzz-sold', 1);
    const before = readFileSync(join(ROOT, 'openapi.json'), 'utf8');
    const contract = withoutClasses(before);
    t.not(contract, before, 'there are such texts');
    const config = file(
      'schemathesis.toml',
      `[parameters]
"path.saleId" = "fuzz-sold"
"path.sku" = "a"
"path.orderId" = "${reserved.value.id}"
"path.endpointId" = "${String(webhook.body['id'])}"

[[operations]]
include-operation-id = ["closeSale", "pauseSale", "changeSale", "pauseItem"]
parameters = { "path.saleId" = "fuzz-steered" }
`,
    );
    const seed = process.env['SECKILL_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31));
    t.comment(`SECKILL_SEED=${seed}`);
    const program = 'import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())';
    const args = [
      ...['-c', program, '--no-color', '--config-file', config, 'run', file('openapi.json', contract)],
      ...['--url', system.stack.info.gateway, '--header', `Authorization: Bearer ${token}`],
      ...['--checks', CHECKS, '--phases', 'coverage,fuzzing', '--max-examples', '20'],
      ...['--max-time', String(FUZZ_SECONDS), '--seed', seed, '--continue-on-failure', '--warnings', 'off'],
      // OpenAPI 3.1 has no words for the events of a stream: their schema stands there as that of a text, to
      // which the fuzzer holds each event as an object. test/invariants/sale-events.test.ts reads the stream.
      ...['--exclude-operation-id', 'watchSale'],
    ];
    const env = { ...process.env, PYTHONPATH: tool, PYTHONDONTWRITEBYTECODE: '1' };
    const { ok, stdout, stderr } = await run(findProgram('python3') ?? 'python3', args, {
      timeoutMs: RUN_MS,
      cwd: folder,
      env,
    });
    const tested = Number(/Tested: (\d+)/.exec(stdout)?.[1] ?? 0);
    t.ok(tested >= 30, `${tested} calls were tried`);
    t.comment(/\d+ generated, .*/.exec(stdout)?.[0] ?? '');
    t.equal(ok ? '' : `${stdout}${stderr}`.split('\n').slice(-150).join('\n'), '');
    t.equal((await system.send({ path: '/readyz' })).status, 200);
  });
}
