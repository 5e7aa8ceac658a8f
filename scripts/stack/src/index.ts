export { startChild } from './children.ts';
export type { Child, ChildOptions, Exit } from './children.ts';
export type { EngineName, Log } from './engine.ts';
export { startEngines } from './engine-set.ts';
export type { EngineOptions, EngineUrls, Engines } from './engine-set.ts';
export { StackError } from './errors.ts';
export { onEnd } from './lifetime.ts';
