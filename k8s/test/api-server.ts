/**
 * A real API server over a real etcd on loopback, with its data, certificates and tokens in a folder of its
 * own.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, run, startChild, tailOf } from '@seckill/stack';
import type { ApiServerPrograms, Child, Outcome } from '@seckill/stack';
import type { Resource } from './render.ts';

/** How long the server may take to be ready. The server took 4.4 s on two cores with a load of 7. */
const READY_MS = 120_000;

const CALL_MS = 120_000;

/** Another process may take a port between look-up and use, so a start is tried so often. */
const ATTEMPTS_MAX = 3;

export interface ApiServer {
  /** The minor version, such as `1.35`. */
  version: string;
  /** The environment in which kubectl and helm speak to this server, and to no other. */
  env: NodeJS.ProcessEnv;
  /** Runs the real kubectl as an administrator. `stdin` is what `-f -` reads. */
  kubectl(args: string[], stdin?: string): Promise<Outcome>;
  /** Runs kubectl's `verb` with a list of resources. */
  send(verb: string, resources: Resource[], ...flags: string[]): Promise<Outcome>;
  /**
   * Applies resources on the server's side, strictly. @returns errors and warnings: nothing when all is well.
   */
  apply(resources: Resource[], ...flags: string[]): Promise<string>;
  /** Tells what `apply` would say, and changes nothing. */
  dryRun(resources: Resource[]): Promise<string>;
  /** A line for each resource, with the number that every change of it moves. */
  readVersions(resources: Resource[]): Promise<string[]>;
  stop(): Promise<void>;
}

const etcdArgs = (folder: string, client: number, peer: number): string[] => [
  `--data-dir=${join(folder, 'etcd')}`,
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
  // A server for one test loses nothing that anyone misses.
  '--unsafe-no-fsync',
];

const apiServerArgs = (folder: string, port: number, etcd: number): string[] => [
  `--etcd-servers=http://127.0.0.1:${etcd}`,
  '--bind-address=127.0.0.1',
  `--secure-port=${port}`,
  // No route leads out of the machine, and nobody asks for the endpoints of the server.
  '--advertise-address=127.0.0.1',
  '--endpoint-reconciler-type=none',
  '--service-cluster-ip-range=10.0.0.0/24',
  // The server signs its own certificate, which kubectl checks.
  `--cert-dir=${join(folder, 'certificates')}`,
  `--token-auth-file=${join(folder, 'tokens.csv')}`,
  '--authorization-mode=RBAC',
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${join(folder, 'accounts.pem')}`,
  `--service-account-signing-key-file=${join(folder, 'accounts.pem')}`,
  '--enable-admission-plugins=PodSecurity',
  // A privileged pod shall be refused by Pod Security, not by this switch before it.
  '--allow-privileged=true',
];

function writeFiles(folder: string, port: number): void {
  const token = randomBytes(16).toString('hex');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const files = {
    'tokens.csv': `${token},test,test,system:masters\n`,
    'accounts.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    config: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'test',
          cluster: {
            server: `https://127.0.0.1:${port}`,
            'certificate-authority': join(folder, 'certificates/apiserver.crt'),
          },
        },
      ],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      'current-context': 'test',
    }),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
}

type Kubectl = ApiServer['kubectl'];

function clientOf(kubectl: Kubectl): Omit<ApiServer, 'env' | 'version' | 'stop'> {
  const send: ApiServer['send'] = (verb, items, ...flags) =>
    kubectl([verb, ...flags, '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const apply: ApiServer['apply'] = async (resources, ...flags) => {
    const { ok, stderr } = await send('apply', resources, '--server-side', '--validate=strict', ...flags);
    return ok ? stderr : `refused: ${stderr}`;
  };
  return {
    kubectl,
    send,
    apply,
    dryRun: (resources) => apply(resources, '--dry-run=server'),
    async readVersions(resources) {
      const columns = 'custom-columns=:kind,:metadata.name,:metadata.resourceVersion';
      return (await send('get', resources, '-o', columns)).stdout.trim().split('\n');
    },
  };
}

async function readVersion(kubectl: Kubectl): Promise<string> {
  const { stdout } = await kubectl(['get', '--raw', '/version']);
  const { major, minor } = JSON.parse(stdout) as { major: string; minor: string };
  return `${major}.${minor}`;
}

async function start(programs: ApiServerPrograms, kubectl: string): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-api-server-'));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  process.once('exit', remove);
  const [client, peer, port] = (await freePorts(3)) as [number, number, number];
  writeFiles(folder, port);
  const log = join(folder, 'log');
  // kubectl has a discovery cache of its own here, and nothing of our environment, such as a proxy or another
  // cluster's configuration.
  const env = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: folder,
    KUBECONFIG: join(folder, 'config'),
  };
  const child = (name: string, command: string, args: string[]): Promise<Child> =>
    startChild({ name, command, args, env, cwd: folder, output: { file: log } });
  const children = [
    await child('etcd', programs.etcd, etcdArgs(folder, client, peer)),
    await child('kube-apiserver', programs.apiServer, apiServerArgs(folder, port, client)),
  ];
  const call = (args: string[], stdin?: string): Promise<Outcome> =>
    run(kubectl, args, { timeoutMs: CALL_MS, env, ...(stdin === undefined ? {} : { stdin }) });
  const stop = async (): Promise<void> => {
    for (const one of children.reverse()) await one.stop();
    remove();
    process.off('exit', remove);
  };
  const deadline = performance.now() + READY_MS;
  let ready = false;
  while (!ready && children.every((one) => one.isRunning()) && performance.now() < deadline) {
    ready = (await call(['get', '--raw', '/readyz'])).ok;
    if (!ready) await sleep(500);
  }
  if (ready) return { ...clientOf(call), env, version: await readVersion(call), stop };
  const tail = tailOf(readFileSync(log, 'utf8'));
  await stop();
  throw new Error(`kube-apiserver is not ready; the log:\n${tail}`);
}

/** @throws Error with the end of the log when it is not ready in time, three times over. */
export async function startApiServer(programs: ApiServerPrograms, kubectl: string): Promise<ApiServer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(programs, kubectl);
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error;
    }
  }
}
