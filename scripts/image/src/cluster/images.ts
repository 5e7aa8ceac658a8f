/** Images of the node, built by buildah or Docker, kept in the cache as archives that containerd imports. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  cacheFolder,
  fetchJar,
  fetchKafkaJars,
  fillCache,
  findProgram,
  ROOT,
  StackError,
  type Log,
} from '@seckill/stack';
import { makeBase } from '../base.ts';
import type { Builder } from '../builder.ts';
import { PAUSE } from './files.ts';
import { FILES } from './place.ts';

interface Source {
  /** The folder of k8s/cluster/images. */
  name: string;
  /** A name of our own: the official image of that name may be here, and stays. */
  tag: string;
  /** How manifests call the image, where they call it otherwise. */
  as?: string;
  /** Programs that the image is made of, beside what lies in the folder. */
  programs: string[];
  /** The image that a Dockerfile with BASE_IMAGE builds on. */
  base?: string;
}

/** What the node takes in. */
export interface Archive {
  file: string;
  /** The name of the image in the archive. */
  image: string;
  /** The name that it also gets in the node. */
  name?: string;
}

const SERVICES = 'seckill:dev';

const KAFKA_LOG = join(ROOT, 'scripts/stack/kafka/log4j2.properties');

const programAt = (name: string): string => findProgram(name) ?? name;

const foldersOf = (name: string): string => join(FILES, 'images', name);

function keyOf({ name, tag, programs, base }: Source): string {
  const hash = createHash('sha256').update(tag);
  const files = readdirSync(foldersOf(name)).sort();
  for (const file of [...files.map((one) => join(foldersOf(name), one)), ...programs])
    hash.update(basename(file)).update(readFileSync(file));
  if (base !== undefined) hash.update(base);
  return hash.digest('hex').slice(0, 16);
}

/** @returns the archive of one image, which is built once. */
async function makeArchive(builder: Builder, source: Source): Promise<Archive> {
  const folder = await fillCache(`cluster-${source.name}-${keyOf(source)}`, async (draft) => {
    const context = mkdtempSync(join(tmpdir(), 'seckill-image-'));
    try {
      const files = readdirSync(foldersOf(source.name)).map((one) => join(foldersOf(source.name), one));
      for (const file of [...files, ...source.programs]) copyFileSync(file, join(context, basename(file)));
      const { tag, base } = source;
      await builder.build({
        tag,
        folder: context,
        ...(base === undefined ? {} : { buildArguments: { BASE_IMAGE: base } }),
      });
    } finally {
      rmSync(context, { recursive: true });
    }
    await builder.archive(source.tag, join(draft, 'image.tar'));
  });
  const { tag: image, as: name } = source;
  return { file: join(folder, 'image.tar'), image, ...(name === undefined ? {} : { name }) };
}

async function makeArchives(builder: Builder, sources: Source[]): Promise<Archive[]> {
  const archives: Archive[] = [];
  // One after the other, because the store of images has one writer.
  for (const source of sources) archives.push(await makeArchive(builder, source));
  return archives;
}

/** @returns archives of the images that every pod and CoreDNS need, and of the one for trials. */
export function nodeArchives(builder: Builder, coredns: string): Promise<Archive[]> {
  return makeArchives(builder, [
    { name: 'pause', tag: PAUSE, programs: [programAt('catatonit')] },
    { name: 'coredns', tag: 'localhost/seckill-coredns:dev', programs: [coredns] },
    { name: 'busybox', tag: 'localhost/seckill-busybox:dev', programs: [programAt('busybox')] },
  ]);
}

/**
 * @returns archives of the engines, for the names that the local overlay calls. Debian's Redis and PostgreSQL
 * and Maven Central's Kafka stand in, in other versions than the official images of these names.
 */
export async function engineArchives(builder: Builder, log: Log): Promise<Archive[]> {
  const base = await makeBase(builder, log);
  const jars = await fetchKafkaJars(log);
  const files = readdirSync(jars).map((name) => join(jars, name));
  const tools = await fetchJar(`org.apache.kafka:kafka-tools:${jars.split('-').at(-1) ?? ''}`, log);
  if (tools === undefined) throw new StackError('SECKILL_IMAGE_BUILD', 'the tools of Kafka cannot be had');
  const programs = [...files.filter((name) => name.endsWith('.jar')), tools, KAFKA_LOG];
  return makeArchives(builder, [
    {
      name: 'redis',
      tag: 'localhost/seckill-redis:dev',
      as: 'docker.io/valkey/valkey:8.1',
      programs: [],
      base,
    },
    {
      name: 'postgres',
      tag: 'localhost/seckill-postgres:dev',
      as: 'docker.io/library/postgres:17',
      programs: [],
      base,
    },
    { name: 'kafka', tag: 'localhost/seckill-kafka:dev', as: 'docker.io/apache/kafka:4.4.0', programs, base },
  ]);
}

/** @returns the archive of the three services, by the id of the image that `npm run image` made. */
export async function serviceArchive(builder: Builder): Promise<Archive> {
  if (!(await builder.has(SERVICES)))
    throw new StackError('SECKILL_IMAGE_BUILD', `there is no image ${SERVICES}; npm run image makes it`);
  const id = (await builder.idOf(SERVICES)).replace('sha256:', '').slice(0, 16);
  const entry = `cluster-services-${id}`;
  const folder = await fillCache(entry, (draft) => builder.archive(SERVICES, join(draft, 'image.tar')));
  for (const older of readdirSync(cacheFolder()))
    if (/^cluster-services-[0-9a-f]{16}$/.test(older) && older !== entry)
      rmSync(join(cacheFolder(), older), { recursive: true });
  return { file: join(folder, 'image.tar'), image: `docker.io/library/${SERVICES}` };
}
