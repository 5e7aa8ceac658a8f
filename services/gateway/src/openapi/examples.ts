import { readFileSync } from 'node:fs';
import type { ProblemCode } from '@seckill/contracts';

type Document = { type: string; title: string } & Record<string, unknown>;

/** One problem as a running system answered it. */
interface Example {
  /** Absent: of all operations that do not say something else under this code. */
  operations?: string[];
  en: Document;
  zh: Document;
}

const LANGUAGES = ['en', 'zh'] as const;

/**
 * Examples by code, and by code and operation where some operations say something else.
 * test/client/problems.test.ts provokes them and writes the file.
 */
const recorded = JSON.parse(
  readFileSync(new URL('../../examples/problems.json', import.meta.url), 'utf8'),
) as Record<string, Example>;

const nameOf = (name: string, language: string) => (language === 'en' ? name : `${name}.${language}`);

/** All of them, as components of the contract. */
export function exampleComponents(docsBaseUrl: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(recorded).flatMap(([name, example]) =>
      LANGUAGES.map((language) => {
        const { type, title, ...others } = example[language];
        const value = { type: `${docsBaseUrl}${type}`, title, ...others };
        return [nameOf(name, language), { summary: title, value }];
      }),
    ),
  );
}

/** References to what an operation answers under a code; none when nothing was recorded. */
export function exampleReferences(code: ProblemCode, operationId: string): Record<string, { $ref: string }> {
  const own = Object.entries(recorded).find(
    ([name, { operations }]) => name.startsWith(`${code}.`) && operations?.includes(operationId) === true,
  );
  const name = own?.[0] ?? code;
  if (!Object.hasOwn(recorded, name)) return {};
  return Object.fromEntries(
    LANGUAGES.map((language) => [
      nameOf(code, language),
      { $ref: `#/components/examples/${nameOf(name, language)}` },
    ]),
  );
}
