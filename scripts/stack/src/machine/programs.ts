/** Programs of this machine: finding them, and running one to its end. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { atExit } from './cleanup.ts';

export interface Outcome {
  ok: boolean;
  stdout: string;
  stderr: string;
}

/**
 * The absolute path of a program in PATH. Links stay unresolved: Debian's redis-server is a link whose name
 * decides what it does.
 */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The program is not in this folder.
    }
  }
  return undefined;
}

export interface RunOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  stdin?: string;
  /**
   * The program is not to be ended with us. A package client that is cut off leaves the machine half
   * installed.
   */
  mayOutliveUs?: boolean;
}

/**
 * Runs a program to its end and never throws. Output beyond 16 MiB, or a run beyond `timeoutMs`, ends as not
 * ok.
 */
export function run(command: string, args: string[], options: RunOptions): Promise<Outcome> {
  const { timeoutMs, stdin, mayOutliveUs, ...rest } = options;
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 16 << 20, encoding: 'utf8' },
      (error, stdout, stderr) => {
        forget();
        resolve({
          ok: error === null,
          stdout,
          stderr: stderr === '' && error !== null ? error.message : stderr,
        });
      },
    );
    const forget = atExit(() => {
      if (mayOutliveUs !== true) child.kill('SIGTERM');
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin ?? '');
  });
}

/** The last lines of a text, for one error message. */
export function tailOf(text: string, lines = 15): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
