/** Provokes problems, and keeps what the system answered. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROBLEMS } from '@seckill/contracts';
import { Agent, request } from 'undici';
import type { Call, Document, Operation } from './calls.ts';

type Body = Record<string, unknown>;
type Languages = { en: Body; zh: Body };

const FILE = join(import.meta.dirname, '../../../services/gateway/examples/problems.json');

/** Ids and instants differ in each run. */
function normalize(text: string): Body {
  return JSON.parse(
    text
      .replace(/"instance":"[^"]*"/, '"instance":"edd5a435-ae1f-4fa9-bf2a-d9146d5812a5"')
      .replaceAll(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, '2026-12-01T02:00:00.000Z'),
  ) as Body;
}

export class Recorder {
  /** Answers by `operationId code`. */
  readonly answers = new Map<string, Languages>();
  readonly #operations: Map<string, Operation>;
  readonly #gateway: string;
  readonly #agent = new Agent({ connections: 64, headersTimeout: 20_000, connect: { timeout: 5_000 } });

  constructor(operations: Operation[], gateway: string) {
    this.#operations = new Map(operations.map((one) => [one.id, one]));
    this.#gateway = gateway;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Sends the call in one language. @returns the answer's status and text. */
  async send(id: string, call: Call, language = 'en'): Promise<{ status: number; text: string }> {
    const operation = this.#operations.get(id);
    if (operation === undefined) throw new Error(`there is no operation ${id}`);
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => call.at?.[name] ?? '');
    const payload = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const { statusCode, body } = await request(`${call.baseUrl ?? this.#gateway}${path}${call.query ?? ''}`, {
      dispatcher: this.#agent,
      method: operation.method as 'GET',
      headers: {
        'accept-language': language,
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...call.headers,
      },
      body: payload ?? null,
    });
    // A stream of events has no end.
    if (statusCode >= 400) return { status: statusCode, text: await body.text() };
    const text = operation.id === 'watchSale' ? '' : await body.text();
    body.destroy();
    return { status: statusCode, text };
  }

  /**
   * Asks in both languages, and keeps the first answers of each code. @returns the code, or what was wrong
   * with the answer
   */
  async provoke(id: string, call: Call): Promise<string> {
    const [en, zh] = await Promise.all([this.send(id, call), this.send(id, call, 'zh-CN')]);
    if (en.status < 400) return `${en.status}`;
    if (zh.status < 400) return `${zh.status} in Chinese`;
    const [english, chinese] = [normalize(en.text), normalize(zh.text)];
    const code = String(english['code']);
    if (chinese['code'] !== code) return `${code}, ${String(chinese['code'])} in Chinese`;
    const key = `${id} ${code}`;
    if (!this.answers.has(key)) this.answers.set(key, { en: english, zh: chinese });
    return code;
  }

  /** Provokes until it is answered so, some times: a busy machine answers otherwise at times. */
  async insist(id: string, call: Call, codes: readonly string[]): Promise<void> {
    for (let tries = 0; tries < 5; tries += 1) {
      if (codes.includes(await this.provoke(id, call))) return;
    }
  }

  /**
   * Writes the file from which the contract takes its examples: the most common one of each code, and those
   * of operations that say something else.
   */
  write(): void {
    const shown: Record<string, Languages & { operations?: string[] }> = {};
    for (const code of Object.keys(PROBLEMS)) {
      const kinds = new Map<string, string[]>();
      for (const [key, answer] of this.answers) {
        const [id = '', ofCode] = key.split(' ');
        const text = JSON.stringify(answer);
        if (ofCode === code) kinds.set(text, [...(kinds.get(text) ?? []), id]);
      }
      const ordered = [...kinds].sort(([, one], [, other]) => other.length - one.length);
      for (const [index, [text, ids]] of ordered.entries()) {
        const operations = ids.sort();
        const answer = JSON.parse(text) as Languages;
        if (index === 0) shown[code] = answer;
        else shown[`${code}.${operations[0] ?? ''}`] = { operations, ...answer };
      }
    }
    writeFileSync(FILE, `${JSON.stringify(shown, null, 2)}\n`);
  }
}

/** The examples that the contract shows for an operation, by code and language. */
export function examplesOf(document: Document, { responses }: Operation): Map<string, Partial<Languages>> {
  const found = new Map<string, Partial<Languages>>();
  for (const [status, response] of Object.entries(responses)) {
    if (Number(status) < 400) continue;
    const examples = response.content?.['application/problem+json']?.examples ?? {};
    for (const [name, { $ref }] of Object.entries(examples)) {
      const value = document.components.examples[$ref.split('/').at(-1) ?? '']?.value;
      const [code = '', language = 'en'] = name.split('.');
      if (value !== undefined) found.set(code, { ...found.get(code), [language]: value });
    }
  }
  return found;
}
