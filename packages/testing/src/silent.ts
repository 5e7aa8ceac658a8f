import { createLogger } from '@seckill/runtime';

/** The logger of whatever a test assembles. */
export const silent = createLogger('test', 'silent');
