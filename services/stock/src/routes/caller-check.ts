import type { requireCaller } from '@seckill/runtime';

/** An onRequest hook: which services may call a route. The hook runs before the body is read. */
export type CallerCheck = ReturnType<typeof requireCaller>;
