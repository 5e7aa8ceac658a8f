// Goal: a file that runs others on one stack runs all of their tests. tap tells of tests beyond the plan only
// once it has said that all is well.
// Method: a plan that is a number is held against the tests that stand at the beginning of a line.
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { listFiles, read } from '../support/repository.ts';

const SHARED = listFiles().filter((path) => path.endsWith('on-one-stack.test.ts'));

void t.test('a plan counts the tests of all files that are imported', (t) => {
  const planned = SHARED.flatMap((path) => {
    const text = read(path);
    const plan = /^t\.plan\((\d+)\);$/m.exec(text)?.[1];
    return plan === undefined ? [] : [{ path, text, plan: Number(plan) }];
  });
  t.ok(planned.length >= 3, 'there are such files');
  for (const { path, text, plan } of planned) {
    const imported = [...text.matchAll(/import\('(\.[^']+)'\)/g)].map(([, name = '']) =>
      normalize(join(dirname(path), name)),
    );
    const tests = imported.flatMap((file) => read(file).match(/^(?:await |void )?t\.test\(/gm) ?? []);
    t.equal(tests.length, plan, path);
  }
  t.end();
});
