/**
 * Runs commands of ours as `node FILE ARGUMENTS` would. A process of its own takes 0.6 s of processor time,
 * nearly all of it for loading the same packages again. So a test runs each command as a process once, and
 * all its other command lines in one process that stays.
 */
import { execFile, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** One command line, as the process that stays is told of it. */
export interface Order {
  id: number;
  file: string;
  args: string[];
  env: NodeJS.ProcessEnv;
}

/** A command that did not see a mistake would go on to work. The runner ends such a command. */
const TIMEOUT_MS = 60_000;

const BYTES_MAX = 64 * 1024 * 1024;

/** Runs the command as a process. The code of a command that was ended is -1. */
export function runAsProcess(
  file: string,
  args: string[],
  { env, cwd }: { env: NodeJS.ProcessEnv; cwd?: string },
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env, timeout: TIMEOUT_MS, maxBuffer: BYTES_MAX, ...(cwd === undefined ? {} : { cwd }) };
    execFile(process.execPath, [file, ...args], options, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** The process that stays. This process starts with the first command line. */
export class CommandRunner {
  readonly #cwd: string | undefined;
  readonly #waiting = new Map<number, (ended: Ended) => void>();
  #process: ChildProcess | undefined;
  #count = 0;

  constructor(cwd?: string) {
    this.#cwd = cwd;
  }

  /**
   * Command lines run in the order in which they were asked for.
   * @throws Error when the command does not end within a minute, or ends otherwise than by its exit.
   */
  async run(file: string, args: string[], env: NodeJS.ProcessEnv): Promise<Ended> {
    this.#count += 1;
    const order: Order = { id: this.#count, file, args, env };
    const child = (this.#process ??= this.#start());
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Ended>((resolve, reject) => {
        const fail = (why: string): void => {
          reject(new Error(`${file} ${args.join(' ')}: ${why}`));
        };
        timer = setTimeout(fail, TIMEOUT_MS * (this.#waiting.size + 1), 'it did not end');
        child.once('exit', (code) => {
          fail(`its process ended with ${code ?? 'a signal'}`);
        });
        this.#waiting.set(order.id, resolve);
        child.send(order);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(order.id);
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  #start(): ChildProcess {
    const program = fileURLToPath(new URL('../dist/command-process.js', import.meta.url));
    const child = fork(program, [], { execArgv: [], ...(this.#cwd === undefined ? {} : { cwd: this.#cwd }) });
    child.setMaxListeners(0);
    child.on('message', ({ id, ended }: { id: number; ended: Ended }) => this.#waiting.get(id)?.(ended));
    return child;
  }
}
