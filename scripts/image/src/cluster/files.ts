/** Keys and settings of one run of the cluster, all in its folder. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, StackError, tailOf } from '@seckill/stack';
import { CNI_FOLDER } from './machine.ts';
import { FOLDER, NAME, NETWORK, NODE, SOCKET } from './place.ts';

const OPENSSL_MS = 60_000;

export const PAUSE = 'localhost/seckill-pause:dev';

/** Who speaks to the API server, with the groups of each. Kubernetes itself binds rights to these names. */
const USERS: Record<string, { user: string; group?: string }> = {
  admin: { user: 'admin', group: 'system:masters' },
  controllers: { user: 'system:kube-controller-manager' },
  scheduler: { user: 'system:kube-scheduler' },
  kubelet: { user: `system:node:${NODE}`, group: 'system:nodes' },
  proxy: { user: 'system:kube-proxy' },
};

export const at = (name: string): string => join(FOLDER, name);

const kubeconfig = (token: string): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    {
      name: NAME,
      cluster: {
        server: `https://${NETWORK.node}:6443`,
        // The server signs its own certificate, and makes it when it starts.
        'certificate-authority': at('certificates/apiserver.crt'),
      },
    },
  ],
  users: [{ name: NAME, user: { token } }],
  contexts: [{ name: NAME, context: { cluster: NAME, user: NAME } }],
  'current-context': NAME,
});

const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  // Kubernetes gives up version 1 of cgroups, and many machines have not.
  failCgroupV1: false,
  failSwapOn: false,
  cgroupDriver: 'cgroupfs',
  // What the pods leave in the machine's cgroups stands under one name, and is removed by it.
  cgroupRoot: `/${NAME}`,
  containerRuntimeEndpoint: `unix://${SOCKET}`,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: at('kubelet-client.crt') },
  },
  authorization: { mode: 'Webhook' },
  clusterDNS: [NETWORK.dns],
  clusterDomain: 'cluster.local',
  resolvConf: '',
  // No registry gives an image again that was removed to make room.
  imageGCHighThresholdPercent: 100,
  evictionHard: { 'memory.available': '100Mi' },
  makeIPTablesUtilChains: false,
  volumePluginDir: at('volume-plugins'),
};

const proxy = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'nftables',
  clusterCIDR: NETWORK.pods,
  hostnameOverride: NODE,
  clientConnection: { kubeconfig: at('proxy.conf') },
  // The table of connections is the machine's, and stays as it is.
  conntrack: { maxPerCore: 0, min: 0 },
};

const cni = {
  cniVersion: '0.4.0',
  name: 'seckill',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: NETWORK.pods }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
};

const containerd = `version = 2
root = "${at('containerd')}"
state = "/run/containerd"
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${at('opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  # Without the right to make processes harder to kill, which a container of its own (CI) lacks, no pod would start.
  restrict_oom_score_adj = true
  # CoreDNS answers on 53 and is not root.
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_FOLDER}"
    conf_dir = "${at('cni')}"
`;

/** The key by which the API server asks the kubelet for logs. The certificate is its own authority. */
async function makeClientKey(): Promise<void> {
  const names = ['-keyout', at('kubelet-client.key'), '-out', at('kubelet-client.crt')];
  const subject = ['-subj', '/O=system:masters/CN=kube-apiserver-kubelet-client'];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', ...names, ...subject];
  const { ok, stderr } = await run('openssl', args, { timeoutMs: OPENSSL_MS });
  if (!ok) throw new StackError('SECKILL_CLUSTER_START', `openssl made no key:\n${tailOf(stderr)}`);
}

/** Writes everything that the programs of the node read. */
export async function writeFiles(): Promise<void> {
  for (const folder of ['cni', 'kubelet', 'logs', 'pod-logs', 'disks'])
    mkdirSync(at(folder), { recursive: true });
  for (let disk = 1; disk <= 4; disk += 1) mkdirSync(at(`disks/${disk}`), { recursive: true });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const tokens = Object.entries(USERS).map(
    ([name, { user, group }]) => [name, randomBytes(16).toString('hex'), user, group ?? ''] as const,
  );
  const files: Record<string, string> = {
    'accounts.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'tokens.csv': tokens
      .map(
        ([name, token, user, group]) => [token, user, name, ...(group === '' ? [] : [group])].join() + '\n',
      )
      .join(''),
    'kubelet.json': JSON.stringify(kubelet),
    'proxy.json': JSON.stringify(proxy),
    'containerd.toml': containerd,
    'cni/10-seckill.conflist': JSON.stringify(cni),
  };
  for (const [name, token] of tokens) files[`${name}.conf`] = JSON.stringify(kubeconfig(token));
  for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text, { mode: 0o600 });
  await makeClientKey();
}
