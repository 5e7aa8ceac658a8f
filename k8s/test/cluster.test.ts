/**
 * Goal: a real Kubernetes of one node runs pods on this machine, and leaves nothing behind.
 * Method: the command of `npm run k8s:cluster` as a person calls it; a pod behind a Service, found by its
 * name and asked from the node; what the machine shows before, meanwhile and afterwards.
 */
import t from 'tap';
import { cluster, FORBIDDEN, startCluster, traces } from './cluster.ts';

const image = { image: 'localhost/seckill-busybox:dev', imagePullPolicy: 'Never' };

const PROBE = [
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      securityContext: { runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001 },
      containers: [
        {
          name: 'web',
          ...image,
          command: ['sh', '-c', 'echo oranges > /disk/index.html; exec busybox httpd -f -p 8080 -h /disk'],
          readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
          volumeMounts: [{ name: 'disk', mountPath: '/disk' }],
        },
      ],
      volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: 'web' } }],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'web' },
    spec: { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: '1Gi' } } },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { clusterIP: '10.96.7.7', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'asker' },
    spec: {
      restartPolicy: 'OnFailure',
      containers: [
        {
          name: 'asker',
          ...image,
          command: ['sh', '-c', 'exec busybox nslookup web.default.svc.cluster.local'],
        },
      ],
    },
  },
];

// Undefined where a machine has not what is looked at: no node runs there either.
const before = await traces().catch(() => undefined);
if (await startCluster(t, 'a cluster of one node')) {
  const begun = performance.now();
  const kubectl = (...args: string[]): ReturnType<typeof cluster> => cluster(['kubectl', ...args]);

  await t.test('the node is ready and CoreDNS runs', async (t) => {
    t.match(await cluster(['status']), {
      ok: true,
      stdout: /seckill-node\s+Ready[^]*coredns-\S+\s+1\/1\s+Running/,
    });
    t.match(await cluster(['up']), { ok: false, stderr: /already running/ });
  });

  await t.test(
    'a pod runs, keeps a file on its disk, has a name, and answers through a Service',
    async (t) => {
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: PROBE });
      t.match(await cluster(['kubectl', 'apply', '-f', '-'], [], list), { ok: true });
      t.match(await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=120s'), { ok: true });
      const done = '--for=jsonpath={.status.phase}=Succeeded';
      t.match(await kubectl('wait', done, 'pod/asker', '--timeout=120s'), { ok: true });
      t.match(await kubectl('logs', 'asker'), { stdout: /Address: 10\.96\.7\.7/ });
      const ask = `fetch('http://10.96.7.7').then((r) => r.text()).then((text) => console.log(text.trim()))`;
      t.match(await cluster(['exec', process.execPath, '-e', ask]), { ok: true, stdout: 'oranges\n' });
      t.match(await kubectl('exec', 'web', '--', 'busybox', 'cat', '/disk/index.html'), {
        stdout: 'oranges\n',
      });
    },
  );

  await t.test('nothing of the node is seen outside, though it runs', async (t) => {
    const { programs, groups, ...seen } = await traces();
    const { programs: _none, groups: _no, ...unchanged } = before ?? {};
    t.same(seen, unchanged);
    t.ok((programs ?? []).length >= 7, 'its programs run');
    t.ok((groups ?? []).length > 0, 'its pods have their groups');
  });

  await t.test('`down` leaves nothing, and may be repeated', async (t) => {
    t.match(await cluster(['down']), { ok: true, stdout: 'the cluster has ended\n' });
    t.same(await traces(), before);
    t.match(await cluster(['down']), { ok: true, stdout: 'there was no cluster\n' });
    t.match(await cluster(['status']), { ok: false, stdout: 'no cluster is running\n' });
    t.comment(`the cluster ran for ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  });

  await t.test('what forbids a node is told in one sentence', async (t) => {
    const without = (right: string): string[] => [
      'setpriv',
      `--bounding-set=-${right}`,
      `--inh-caps=-${right}`,
    ];
    const cases: [string[], string][] = [
      [['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], 'a node needs root'],
      [without('sys_admin'), 'the kernel refuses us namespaces'],
      [without('net_admin'), 'the kernel refuses us pairs of virtual network cards (veth)'],
    ];
    for (const [through, reason] of cases) {
      const { ok, stderr } = await cluster(['up'], through);
      t.equal(ok, false, reason);
      t.equal(stderr.trim(), `${FORBIDDEN}${reason}`);
    }
  });
}
