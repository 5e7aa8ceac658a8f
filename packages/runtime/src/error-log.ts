/** Deeper than any chain of ours; a cause that leads back to itself ends here too. */
const CAUSES_MAX = 5;

interface ErrorLog {
  type: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: unknown;
}

/**
 * What a log tells of an error: these fields and no other. ioredis keeps the whole command on its errors (the
 * password of AUTH, a script with the user ids and keys it was given), pg the values of a row (`detail`),
 * undici the request.
 * @returns what was given, when it is not an object: anybody may throw a string.
 */
export function describeError(error: unknown): unknown {
  return describe(error, CAUSES_MAX);
}

function describe(error: unknown, causesMax: number): unknown {
  if (typeof error !== 'object' || error === null) return error;
  if (!(error instanceof Error)) return { type: 'Object', message: 'not an error' };
  const log: ErrorLog = { type: error.name, message: error.message };
  if ('code' in error && typeof error.code === 'string') log.code = error.code;
  if (error.stack !== undefined) log.stack = error.stack;
  if (error.cause !== undefined && causesMax > 0) log.cause = describe(error.cause, causesMax - 1);
  return log;
}
