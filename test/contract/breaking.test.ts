// Goal: a change of the contract that breaks a client of the last release fails. Method: oasdiff compares
// openapi.released.json, which a release writes, with openapi.json; changes that surely break clients are
// made to a copy, so that the comparison is seen to find them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchGoTool, ROOT, run } from '@seckill/stack';
import t from 'tap';

t.setTimeout(600_000);
const RELEASED = join(ROOT, 'openapi.released.json');
const tool = await fetchGoTool('oasdiff', join(ROOT, 'test/contract/oasdiff'), (line) => {
  t.comment(line);
});

interface Document {
  paths: Record<string, Record<string, { responses: Record<string, object> }>>;
  components: {
    schemas: Record<string, { required?: string[]; properties: Record<string, object> }>;
  };
}

if (tool === undefined) t.plan(0, 'no oasdiff');
else {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-breaking-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  /** What breaks clients, in words; '' for nothing. */
  const compare = async (file: string): Promise<string> => {
    const args = ['breaking', RELEASED, file, '--fail-on', 'ERR', '--color', 'never'];
    const { ok, stdout, stderr } = await run(tool, args, { timeoutMs: 60_000 });
    return ok ? '' : `${stdout}${stderr}`;
  };
  const changed = (change: (document: Document) => void): string => {
    const document = JSON.parse(readFileSync(RELEASED, 'utf8')) as Document;
    change(document);
    const file = join(folder, 'openapi.json');
    writeFileSync(file, JSON.stringify(document));
    return file;
  };

  await t.test('openapi.json breaks no client of the last release', async (t) => {
    t.equal(await compare(join(ROOT, 'openapi.json')), '');
  });

  await t.test('what breaks clients is found, and what adds something is not', async (t) => {
    const breaking: [string, (document: Document) => void][] = [
      ['a call is gone', ({ paths }) => Reflect.deleteProperty(paths, '/v1/orders/{orderId}/cancel')],
      [
        'an answer is gone',
        ({ paths }) => {
          const { responses } = paths['/v1/sales']?.['post'] ?? { responses: {} };
          Reflect.deleteProperty(responses, '201');
        },
      ],
      [
        'a field of an answer is gone',
        ({ components }) =>
          Reflect.deleteProperty(components.schemas['Reservation']?.properties ?? {}, 'expiresAt'),
      ],
      [
        'a field of a request is required now',
        ({ components }) => components.schemas['ReserveRequest']?.required?.push('channelId'),
      ],
    ];
    for (const [what, change] of breaking) t.not(await compare(changed(change)), '', what);
    const added = changed(({ components }) => {
      const { properties = {} } = components.schemas['Order'] ?? {};
      properties['note'] = { type: 'string' };
    });
    t.equal(await compare(added), '');
  });
}
