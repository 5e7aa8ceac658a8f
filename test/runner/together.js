/**
 * Lets test files share a process. A test file alone starts Node.js, tap and all that it imports: nine files of
 * services/order took 28 s of processor time alone, and take 8 s in one process (a machine under load). Whole
 * runs group the files; a file that is named on the command line runs alone.
 *
 * tap takes files by name. So `writeGroups` writes one numbered file for each process, in the order in which
 * they are to start: first those that take long and mostly wait, then the groups, which fill every gap.
 */
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
const FOLDER = new URL('.run/tests/', ROOT);
/** A group has so few files that nobody waits for one group at the end. */
const FILES_MAX = 8;
/** These start engines and services of their own, and already share them where they can. */
const ALONE = /^(test\/(?!fire|house|mutations|runner)|scripts\/(image|stack)\/)/;

/** Files of one folder share a process, because they import the same. */
const folderOf = (file) => /^(services|scripts)\/[^/]+|^[^/]+/.exec(file)[0];

/** @returns {{ name: string, files: string[] }[]} what each process runs, in the order in which they start */
export function planGroups(files) {
  const groups = [];
  for (const file of [...files].sort((a, b) => Number(ALONE.test(b)) - Number(ALONE.test(a)))) {
    const name = ALONE.test(file) ? file.replace('.test.ts', '') : folderOf(file);
    const last = groups.at(-1);
    if (last?.name === name && last.files.length < FILES_MAX) last.files.push(file);
    else groups.push({ name, files: [file] });
  }
  return groups;
}

/** @returns {string[]} the files that tap is to run in the place of these */
export function writeGroups(files) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  return planGroups(files).map((group, index) => {
    const number = String(index + 1).padStart(3, '0');
    const path = join('.run/tests', `${number}-${group.name.replaceAll('/', '-')}.test.js`);
    const lines = group.files.map((file) => `  '${file}',\n`).join('');
    const source = `import t from 'tap';
import { runTogether } from '../../test/runner/together.js';

await runTogether(t, [\n${lines}]);\n`;
    writeFileSync(new URL(path, ROOT), source);
    return path;
  });
}

/** Runs files one after the other. What a file wants to be closed is closed before the next one starts. */
export async function runTogether(t, files) {
  let closers = [];
  // tap's own end would come between two files, when no test waits; see all-on-one-stack.test.ts.
  const teardown = (close) => closers.push(close);
  t.teardown = teardown;
  t.after = teardown;
  for (const file of files) {
    t.comment(file);
    // The time-out is that of each file and not of all. A file may ask for more.
    t.setTimeout(1_000 * Number(process.env.TAP_TIMEOUT ?? 30));
    try {
      await import(pathToFileURL(join(fileURLToPath(ROOT), file)).href);
      while (!t.idle) await once(t, 'idle');
      for (const close of closers.reverse()) await close();
    } catch (error) {
      t.fail(`${file} ran to its end`, { error: String(error?.stack ?? error) });
    }
    closers = [];
  }
  t.end();
}
