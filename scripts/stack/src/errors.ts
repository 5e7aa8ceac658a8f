/**
 * An error that a person can act on: no program, a name in use, a service that did not come up. `code` is
 * stable.
 */
export class StackError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StackError';
    this.code = code;
  }
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
