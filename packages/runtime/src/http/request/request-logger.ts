import type { FastifyBaseLogger } from 'fastify';

type Child = FastifyBaseLogger['child'];
type Bindings = Parameters<Child>[0];
type Options = Parameters<Child>[1];
/** What pino takes of a line: an object or the text, then what the text wants. */
type Line = Parameters<FastifyBaseLogger['info']>;

/**
 * The log of one request, whose lines have the request's id. pino's child is made with the first line.
 * Fastify would make one for each request, but of the answers to a crowd one in a thousand writes a line.
 */
export class RequestLogger implements FastifyBaseLogger {
  readonly #parent: FastifyBaseLogger;
  readonly #bindings: Bindings;
  readonly #options: Options;
  #child: FastifyBaseLogger | undefined;

  constructor(parent: FastifyBaseLogger, bindings: Bindings, options: Options) {
    this.#parent = parent;
    this.#bindings = bindings;
    this.#options = options;
  }

  get level(): string {
    return (this.#child ?? this.#parent).level;
  }

  child(bindings: Bindings, options?: Options): FastifyBaseLogger {
    return this.#own().child(bindings, options);
  }

  fatal(...line: Line): void {
    this.#own().fatal(...line);
  }

  error(...line: Line): void {
    this.#own().error(...line);
  }

  warn(...line: Line): void {
    this.#own().warn(...line);
  }

  info(...line: Line): void {
    this.#own().info(...line);
  }

  debug(...line: Line): void {
    this.#own().debug(...line);
  }

  trace(...line: Line): void {
    this.#own().trace(...line);
  }

  silent(...line: Line): void {
    this.#own().silent(...line);
  }

  #own(): FastifyBaseLogger {
    return (this.#child ??= this.#parent.child(this.#bindings, this.#options));
  }
}
