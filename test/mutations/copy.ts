/** A copy of the repository in which the source may be changed. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, run } from '@seckill/stack';
import type { Mutation } from './mutations.ts';

const BUILD_MS = 300_000;

export class Copy {
  readonly root: string;
  readonly #before = new Map<string, string>();

  private constructor(root: string) {
    this.root = root;
  }

  /** Copies what is committed and what is not, with everything that is built. @throws Error from `cp`. */
  static async make(): Promise<Copy> {
    const root = mkdtempSync(join(tmpdir(), 'seckill-mutations-'));
    cpSync(ROOT, root, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !/\/(\.git|\.run)$/.test(path),
    });
    return new Copy(root);
  }

  /** @returns what is wrong with the mutation itself, and nothing when it is in place and built. */
  async apply({ edits }: Mutation): Promise<string | undefined> {
    for (const { file, find, replace } of edits) {
      const path = join(this.root, file);
      const text = readFileSync(path, 'utf8');
      const count = text.split(find).length - 1;
      if (count !== 1) return `${file} has the text ${count} times: ${find.trim()}`;
      if (!this.#before.has(path)) this.#before.set(path, text);
      writeFileSync(
        path,
        text.replace(find, () => replace),
      );
    }
    return this.build();
  }

  /** @returns why it does not compile. */
  async build(): Promise<string | undefined> {
    const { ok, stdout } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], {
      timeoutMs: BUILD_MS,
      cwd: this.root,
    });
    return ok ? undefined : `it does not compile: ${stdout.slice(0, 500)}`;
  }

  revert(): void {
    for (const [path, text] of this.#before) writeFileSync(path, text);
    this.#before.clear();
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
