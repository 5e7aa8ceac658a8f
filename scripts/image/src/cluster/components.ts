/** What runs on the node beside its pods, in the order of its start. */
import { at } from './files.ts';
import { NETWORK, NODE } from './place.ts';
import type { NodePrograms } from './programs.ts';

export interface Component {
  name: string;
  command: [string, ...string[]];
}

const ETCD = 'http://127.0.0.1:2379';

export function componentsOf(programs: NodePrograms): Component[] {
  return [
    { name: 'containerd', command: ['containerd', `--config=${at('containerd.toml')}`] },
    {
      name: 'etcd',
      command: [
        programs.etcd,
        `--data-dir=${at('etcd')}`,
        `--listen-client-urls=${ETCD}`,
        `--advertise-client-urls=${ETCD}`,
        '--listen-peer-urls=http://127.0.0.1:2380',
        // The cluster ends with its process, and nobody misses what it forgot.
        '--unsafe-no-fsync',
      ],
    },
    {
      name: 'kube-apiserver',
      command: [
        programs.apiServer,
        `--etcd-servers=${ETCD}`,
        '--bind-address=0.0.0.0',
        '--secure-port=6443',
        `--advertise-address=${NETWORK.node}`,
        `--service-cluster-ip-range=${NETWORK.services}`,
        `--cert-dir=${at('certificates')}`,
        `--token-auth-file=${at('tokens.csv')}`,
        '--authorization-mode=Node,RBAC',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${at('accounts.pem')}`,
        `--service-account-signing-key-file=${at('accounts.pem')}`,
        '--enable-admission-plugins=NodeRestriction',
        '--allow-privileged=true',
        `--kubelet-client-certificate=${at('kubelet-client.crt')}`,
        `--kubelet-client-key=${at('kubelet-client.key')}`,
        '--kubelet-preferred-address-types=InternalIP',
      ],
    },
    {
      name: 'kube-controller-manager',
      command: [
        programs.controllers,
        `--kubeconfig=${at('controllers.conf')}`,
        `--service-account-private-key-file=${at('accounts.pem')}`,
        `--root-ca-file=${at('certificates/apiserver.crt')}`,
        '--use-service-account-credentials',
        '--leader-elect=false',
      ],
    },
    {
      name: 'kube-scheduler',
      command: [programs.scheduler, `--kubeconfig=${at('scheduler.conf')}`, '--leader-elect=false'],
    },
    {
      name: 'kubelet',
      command: [
        programs.kubelet,
        `--config=${at('kubelet.json')}`,
        `--kubeconfig=${at('kubelet.conf')}`,
        `--hostname-override=${NODE}`,
        `--node-ip=${NETWORK.node}`,
        `--root-dir=${at('kubelet')}`,
        `--cert-dir=${at('kubelet/pki')}`,
      ],
    },
    { name: 'kube-proxy', command: [programs.kubeProxy, `--config=${at('proxy.json')}`] },
  ];
}
