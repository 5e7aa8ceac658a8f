import { readFileSync } from 'node:fs';

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'SECKILL_CONFIG_INVALID';
  constructor(problems: string[]) {
    const [only] = problems;
    const told = problems.length === 1 ? ` ${only}` : problems.map((problem) => `\n  - ${problem}`).join('');
    super(`configuration is not usable:${told}`);
  }
}

/**
 * What a process begins with. A configuration that is not usable ends the process with 1. The mistake is told
 * in words on standard error, without a stack trace, because the operator has to mend it.
 * @throws what `read` throws, unless it is a ConfigError.
 */
export function readConfigOrExit<Config>(read: () => Config): Config {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

interface IntegerOptions {
  default?: number;
  min: number;
  max: number;
}

/**
 * Reads environment variables once, typed, and reports every error together in `done()`, so that an operator
 * mends a deployment in one round. A secret may also come as `<NAME>_FILE`; none has a default.
 */
export class ConfigReader {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #problems: string[] = [];

  constructor(environment: NodeJS.ProcessEnv = process.env) {
    this.#environment = environment;
  }

  string(name: string, options: { default?: string; pattern?: RegExp } = {}): string {
    const value = this.#environment[name] ?? options.default;
    if (value === undefined || value === '') return this.#refuse(`${name} is missing`, '');
    if (options.pattern !== undefined && !options.pattern.test(value)) {
      return this.#refuse(`${name} does not match ${String(options.pattern)}`, '');
    }
    return value;
  }

  optional(name: string): string | undefined {
    const value = this.#environment[name];
    return value === '' ? undefined : value;
  }

  url(name: string, protocols: string[]): string {
    return this.optionalUrl(name, protocols) ?? this.#refuse(`${name} is missing`, '');
  }

  optionalUrl(name: string, protocols: string[]): string | undefined {
    const text = this.secretOrValue(name);
    if (text === undefined) return undefined;
    // The URL itself is never echoed: it may carry a password.
    if (!URL.canParse(text)) return this.#refuse(`${name} is not a URL`, '');
    const { protocol } = new URL(text);
    return protocols.includes(protocol.slice(0, -1))
      ? text
      : this.#refuse(`${name} must start with ${protocols.map((one) => `${one}://`).join(' or ')}`, '');
  }

  integer(name: string, options: IntegerOptions): number {
    const text = this.#environment[name];
    if (text === undefined || text === '') {
      return options.default ?? this.#refuse(`${name} is missing`, 0);
    }
    const value = Number(text);
    const fits = /^-?\d+$/.test(text) && value >= options.min && value <= options.max;
    return fits
      ? value
      : this.#refuse(`${name} must be a whole number from ${options.min} to ${options.max}`, options.min);
  }

  /** A number from 0 to 1. */
  share(name: string, fallback: number): number {
    const text = this.#environment[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    const fits = /^(0|1|[01]?\.\d+)$/.test(text) && value <= 1;
    return fits ? value : this.#refuse(`${name} must be a number from 0 to 1`, fallback);
  }

  choice<const Value extends string>(
    name: string,
    values: readonly Value[],
    fallback: NoInfer<Value>,
  ): Value {
    const text = this.#environment[name] ?? fallback;
    const value = values.find((one) => one === text);
    return value ?? this.#refuse(`${name} must be one of ${values.join(', ')}`, fallback);
  }

  boolean(name: string): boolean {
    return this.choice(name, ['false', 'true'], 'false') === 'true';
  }

  /** Reads a comma-separated subset, or all of them when the variable is absent. */
  choices<const Value extends string>(name: string, values: readonly Value[]): Value[] {
    const text = this.#environment[name];
    if (text === undefined || text === '') return [...values];
    const named = text.split(',').map((one) => one.trim());
    const unknown = named.filter((one) => !values.some((value) => value === one));
    if (unknown.length > 0) {
      return this.#refuse(`${name}: unknown ${unknown.join(', ')} (known: ${values.join(', ')})`, [
        ...values,
      ]);
    }
    return values.filter((value) => named.includes(value));
  }

  list(name: string): string[] {
    const entries = (this.#environment[name] ?? '').split(',').map((entry) => entry.trim());
    const present = entries.filter((entry) => entry !== '');
    return present.length > 0 ? present : this.#refuse(`${name} is missing`, []);
  }

  /** Reads at least `minLength` characters, from the variable or from the file that `<NAME>_FILE` names. */
  secret(name: string, minLength = 32): string {
    const value = this.secretOrValue(name);
    if (value === undefined) return this.#refuse(`${name} (or ${name}_FILE) is missing`, '');
    if (value.length < minLength) return this.#refuse(`${name} is shorter than ${minLength} characters`, '');
    return value;
  }

  secretOrValue(name: string): string | undefined {
    const file = this.#environment[`${name}_FILE`];
    if (file === undefined || file === '') return this.optional(name);
    try {
      return readFileSync(file, 'utf8').trimEnd();
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      this.#problems.push(`${name}_FILE cannot be read (${reason})`);
      return undefined;
    }
  }

  /** Reports a problem that only the caller can see. The value is never echoed. */
  refuse(problem: string): void {
    this.#problems.push(problem);
  }

  /** @throws ConfigError naming every problem met so far. */
  done(): void {
    if (this.#problems.length > 0) throw new ConfigError([...new Set(this.#problems)]);
  }

  #refuse<Value>(problem: string, stand: Value): Value {
    this.#problems.push(problem);
    return stand;
  }
}
