import { HEADERS } from '@seckill/contracts';
import type { Compile } from 'typebox/compile';
import type { IncomingMessage } from './consumer/consumer.ts';

/** Type and version of a message, as its headers say them. */
export interface MessageKind {
  type: string;
  version: string;
}

export type Opened<Body> = { body: Body } | { error: string };

/**
 * Checks the headers of a message and reads its value. Never throws: a message that cannot be understood must
 * not stop its partition.
 * @returns the body, or why the message cannot be understood.
 */
export function openEnvelope<Body>(
  { value, headers }: IncomingMessage,
  kind: MessageKind,
  schema: Pick<ReturnType<typeof Compile>, 'Errors'> & { Check(value: unknown): value is Body },
): Opened<Body> {
  const type = headers[HEADERS.type];
  const version = headers[HEADERS.version];
  if (type !== kind.type || version !== kind.version) {
    return { error: `expected ${kind.type} v${kind.version}, met ${type ?? 'no type'} v${version ?? '?'}` };
  }
  const body = parseJson(value);
  if (body === undefined) return { error: 'the value is not JSON' };
  if (!schema.Check(body)) {
    const [first] = schema.Errors(body);
    return { error: `schema: ${first?.instancePath ?? ''} ${first?.message ?? 'does not match'}` };
  }
  return { body };
}

function parseJson(value: Buffer | undefined): unknown {
  try {
    return value === undefined ? undefined : (JSON.parse(value.toString('utf8')) as unknown);
  } catch {
    return undefined;
  }
}
