import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { LIMITS, SaleFile } from '@seckill/contracts';
import { UsageError } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import { isNode, LineCounter, parseDocument, type Document } from 'yaml';

const check = Compile(SaleFile);

/** A file with a sale, and where in it each value stands. */
export interface SaleText {
  sale: SaleFile;
  /** `FILE:LINE` of a value, or of the nearest that is there. */
  placeOf: (path: readonly (string | number)[]) => string;
}

/**
 * Reads YAML, or JSON, which is YAML. @throws UsageError that names the line of what is wrong.
 */
export function readSaleFile(file: string): SaleText {
  if (statSync(file).size > LIMITS.saleBodyBytesMax) {
    throw new UsageError(`${file}: a sale has ${LIMITS.saleBodyBytesMax} bytes at most`);
  }
  const bytes = readFileSync(file);
  // A decoder would put another character in the place of such bytes, and the sale would be sold under it.
  if (!isUtf8(bytes)) throw new UsageError(`${file}: is not UTF-8`);
  return parseSale(file, bytes.toString('utf8'));
}

/** @throws UsageError as `readSaleFile`. */
export function parseSale(file: string, text: string): SaleText {
  const lines = new LineCounter();
  // Without the pretty form a mistake has no excerpt of the file behind its sentence.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [mistake] = document.errors;
  if (mistake !== undefined) {
    throw new UsageError(`${file}:${lines.linePos(mistake.pos[0]).line}: ${mistake.message}`);
  }
  const placeOf: SaleText['placeOf'] = (path) => `${file}:${lineOf(document, lines, path)}`;
  const value = toValue(document, file);
  if (!check.Check(value)) {
    const { path, what } = worstOf(value);
    const name = path.length === 0 ? '' : `${path.join('.')}: `;
    throw new UsageError(`${placeOf(path)}: ${name}${what}`);
  }
  return { sale: value, placeOf };
}

/** The library refuses aliases that grow a small file into a large value. */
function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

/**
 * Where there are several faults, as those of both forms of a title, the one that is deepest in the file says
 * most.
 */
function worstOf(value: unknown): { path: (string | number)[]; what: string } {
  const faults = check.Errors(value).map((fault) => {
    const path = toPath(fault.instancePath);
    if (fault.keyword === 'required')
      return { path, what: `lacks ${fault.params.requiredProperties.join(', ')}` };
    return { path, what: WORDS[fault.keyword] ?? fault.message };
  });
  const [worst] = faults.toSorted((a, b) => b.path.length - a.path.length);
  return worst ?? { path: [], what: 'is no sale' };
}

/** What the library says for those who know schemas. */
const WORDS: Record<string, string> = {
  additionalProperties: 'has an unknown field',
  boolean: 'is not a known field',
  pattern: 'has not the form that is required',
};

const toPath = (pointer: string): (string | number)[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
