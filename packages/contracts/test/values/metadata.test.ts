// Goal: metadata that is taken comes back as it was, and what could not is refused.
// Method: fixed examples at and beyond each bound, and random JSON through the way that metadata goes.
import fc from 'fast-check';
import t from 'tap';
import { canonicalJson, isValidMetadata, LIMITS } from '../../src/index.ts';

const ofBytes = (bytes: number) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });
/** Makes so many objects, each within the one before. */
const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) });

await t.test('metadata is bounded in bytes and in depth', async (t) => {
  t.ok(isValidMetadata({}));
  t.ok(isValidMetadata(ofBytes(LIMITS.metadataBytesMax)));
  t.notOk(isValidMetadata(ofBytes(LIMITS.metadataBytesMax + 1)));
  t.notOk(isValidMetadata({ a: '橙'.repeat(700) }), '700 characters of three bytes each');
  t.ok(isValidMetadata({ ...nested(LIMITS.metadataDepthMax) }));
  t.notOk(isValidMetadata({ ...nested(LIMITS.metadataDepthMax + 1) }));
  t.notOk(isValidMetadata({ a: [[[[[1]]]]] }), 'lists count as well');
  let deep: object = {};
  for (let depth = 0; depth < 100_000; depth += 1) deep = { a: deep };
  t.notOk(isValidMetadata({ deep }), 'no depth overflows the stack');
});

await t.test('metadata that would come back as something else is refused', async (t) => {
  for (const bad of ['a\0b', '\ud800', '\udfff x']) {
    t.notOk(isValidMetadata({ a: bad }), JSON.stringify(bad));
    t.notOk(isValidMetadata({ [bad]: 1 }), `${JSON.stringify(bad)} as a name`);
    t.notOk(isValidMetadata({ a: [{ b: bad }] }), `${JSON.stringify(bad)} in a list`);
  }
  for (const bad of ['9007199254740993', '-1e300', '1e999']) {
    t.notOk(isValidMetadata(JSON.parse(`{"a":${bad}}`) as Record<string, unknown>), bad);
  }
  t.ok(isValidMetadata({ a: '🍊 "\\\n\u2028', b: -0.25, c: null, d: true, e: 9_007_199_254_740_991 }));
});

await t.test('canonical JSON is equal for what says the same, and for nothing else', async (t) => {
  t.equal(canonicalJson({ b: [1, { d: 1, c: 2 }], a: 'x' }), '{"a":"x","b":[1,{"c":2,"d":1}]}');
  t.not(canonicalJson({ a: [1, 2] }), canonicalJson({ a: [2, 1] }), 'the order of a list says something');
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const one = JSON.parse(JSON.stringify(value)) as unknown;
      t.strictSame(JSON.parse(canonicalJson(one)), one);
    }),
  );
});
