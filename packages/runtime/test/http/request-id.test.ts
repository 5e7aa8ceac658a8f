// Goal: a request keeps the id that its caller gave it, and no two requests get the same one from us.
// Method: headers by hand, and the ids of two processes.
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { requestIdOf } from '../../src/http/request/request-id.ts';

const idOf = (given?: string) =>
  requestIdOf({ headers: given === undefined ? {} : { 'x-request-id': given } });

await t.test('the id of the caller', async (t) => {
  t.equal(idOf('a.B_9-z'), 'a.B_9-z');
  for (const refused of ['', 'a b', 'a\nb', 'é', 'x'.repeat(65)]) t.not(idOf(refused), refused);
});

await t.test('ours are UUIDs, unique, and differ between processes', async (t) => {
  const ids = Array.from({ length: 10_000 }, () => idOf());
  t.equal(new Set(ids).size, ids.length);
  t.strictSame(
    ids.filter((id) => !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)),
    [],
  );
  const file = new URL('../../src/http/request/request-id.ts', import.meta.url);
  const script = `import(${JSON.stringify(file.href)}).then((m) => process.stdout.write(m.makeRequestId()))`;
  const args = [...process.execArgv, '--eval', script];
  const other = execFileSync(process.execPath, args, { encoding: 'utf8', cwd: process.cwd() });
  t.match(other, /-0{11}1$/);
  t.not(other.slice(0, 24), ids[0]?.slice(0, 24));
});
