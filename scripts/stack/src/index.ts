export { buildApiServer, findApiServer } from './kubernetes/api-server.ts';
export type { ApiServerPrograms } from './kubernetes/api-server.ts';
export { findKubernetesTools } from './kubernetes/tools.ts';
export type { KubernetesTools } from './kubernetes/tools.ts';
export { cached, cacheFolder, fillCache } from './machine/cache.ts';
export { tryClaimFile } from './machine/claims.ts';
export { startChild } from './machine/children.ts';
export type { Child, ChildOptions, Exit } from './machine/children.ts';
export { isDockerRunning } from './engines/docker.ts';
export type { EngineName } from './engines/engine.ts';
export { startEngines } from './engines/engine-set.ts';
export type { EngineOptions, EngineUrls, Engines } from './engines/engine-set.ts';
export { StackError } from './errors.ts';
export { readStack } from './info.ts';
export type { StackInfo } from './info.ts';
export { NODE_VERSION } from './machine/node.ts';
export {
  canInstallPackages,
  fetchGoTool,
  fetchJar,
  fetchPythonTool,
  installPackages,
  npmCommand,
} from './machine/install.ts';
export { formRedisCluster, startRedisCluster } from './engines/cluster/redis-cluster.ts';
export type { ClusterNode, RedisCluster } from './engines/cluster/redis-cluster.ts';
export {
  beginMove,
  endMove,
  giveUpMove,
  keysInSlot,
  moveKey,
  moveSlot,
} from './engines/cluster/redis-slot.ts';
export type { Move } from './engines/cluster/redis-slot.ts';
export { signToken } from './services/jwt.ts';
export type { TokenOptions } from './services/jwt.ts';
export { fetchKafkaJars } from './engines/kafka.ts';
export type { Extend } from './engines/kafka.ts';
export { startKafka } from './engines/kafka-alone.ts';
export type { KafkaAlone } from './engines/kafka-alone.ts';
export { onEnd } from './machine/lifetime.ts';
export { ROOT } from './names.ts';
export { freePorts } from './machine/ports.ts';
export { findProgram, run, tailOf } from './machine/programs.ts';
export type { Outcome } from './machine/programs.ts';
export { untilServing } from './services/services.ts';
export type { ServiceName } from './services/services.ts';
export { startStack } from './services/stack.ts';
export type { ProcessOptions, Stack, StackOptions } from './services/stack.ts';
export { type Log, withProgress } from './machine/progress.ts';
export { serveStorefront } from './storefront/storefront.ts';
export type { Storefront } from './storefront/storefront.ts';
