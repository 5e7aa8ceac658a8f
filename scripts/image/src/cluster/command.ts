/** `npm run k8s:cluster`: a real Kubernetes of one node on this machine, for as long as one wants it. */
import { spawnSync } from 'node:child_process';
import { runCommand, UsageError } from '@seckill/runtime';
import { findKubernetesTools, onEnd, StackError } from '@seckill/stack';
import { at } from './files.ts';
import { stopNode } from './node.ts';
import { enter, FOLDER, readHolder } from './place.ts';
import { callKubectl, load, up } from './up.ts';

const HELP = `Runs a real Kubernetes of one node on this machine.

  npm run k8s:cluster -- up                      starts it; the first time builds for some 15 minutes
  npm run k8s:cluster -- load                    takes in the images of k8s/overlays/local; npm run image comes first
  npm run k8s:cluster -- status                  tells the node and its pods; exit code 1 when there is none
  npm run k8s:cluster -- kubectl [ARGUMENT…]     the real kubectl, as an administrator
  npm run k8s:cluster -- exec COMMAND [WORD…]    runs a command in the node's network, where services answer
  npm run k8s:cluster -- down                    ends it, with its data
  --help                                         this text

Needs Linux, root, Go 1.25 or newer, and Debian's packages (installed where we may). The node has its own network,
mounts and processes: nothing of it is seen outside, and nothing is left when it ends.
Logs: .run/k8s.cluster/logs. Exit code: 0 done, 1 failed, 2 wrong usage.`;

const log = (line: string): void => {
  console.error(line);
};

async function start(): Promise<number> {
  const begun = performance.now();
  const watch = onEnd(async () => {
    await stopNode();
  });
  const cluster = await up(log);
  watch.release();
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  console.log(await callKubectl(cluster, ['get', 'nodes', '-o', 'wide']));
  console.log(`up after ${seconds} s; npm run k8s:cluster -- kubectl, status or down`);
  return 0;
}

async function stop(): Promise<number> {
  console.log((await stopNode()) ? 'the cluster has ended' : 'there was no cluster');
  return 0;
}

/** Gives the terminal to a command inside the node. @returns its exit code. */
function runInTerminal(words: string[]): number {
  const holder = readHolder();
  if (holder === undefined)
    throw new StackError('SECKILL_CLUSTER_NONE', 'there is no cluster; `up` starts one');
  const [command, ...args] = [...enter(holder), `--wdns=${process.cwd()}`, '--', ...words];
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error !== undefined) throw new StackError('SECKILL_CLUSTER_NONE', `${command}: ${error.message}`);
  return status ?? 1;
}

async function kubectl(words: string[]): Promise<number> {
  const { kubectl: program } = await findKubernetesTools();
  return runInTerminal([program, `--kubeconfig=${at('admin.conf')}`, ...words]);
}

async function status(): Promise<number> {
  if (readHolder() === undefined) {
    console.log('no cluster is running');
    return 1;
  }
  console.log(`the cluster runs; logs in ${FOLDER}/logs`);
  return kubectl(['get', 'nodes,pods', '--all-namespaces', '-o', 'wide']);
}

async function main(_values: object, [verb, ...words]: string[]): Promise<number> {
  const isAlone = words.length === 0;
  if (verb === 'up' && isAlone) return start();
  if (verb === 'down' && isAlone) return stop();
  if (verb === 'status' && isAlone) return status();
  if (verb === 'load' && isAlone) {
    await load(log);
    return 0;
  }
  if (verb === 'kubectl') return kubectl(words);
  if (verb === 'exec' && !isAlone) return runInTerminal(words);
  throw new UsageError(
    verb === undefined ? 'up, down or status is needed' : `"${[verb, ...words].join(' ')}" is no wish`,
  );
}

// What follows these words belongs to another program, options and all.
if (['kubectl', 'exec'].includes(process.argv[2] ?? '') && process.argv[3] !== '--')
  process.argv.splice(3, 0, '--');

await runCommand({ help: HELP, options: {}, wordsMax: Infinity }, main);
