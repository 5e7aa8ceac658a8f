import { StackError } from '@seckill/stack';

/**
 * Checks that the base is named by a digest. A tag moves, but a digest is what was tested.
 * @throws StackError SECKILL_IMAGE_RELEASE
 */
export function checkRelease(base: string): void {
  if (/@sha256:[0-9a-f]{64}$/.test(base)) return;
  throw new StackError(
    'SECKILL_IMAGE_RELEASE',
    `a release names its base with a digest, IMAGE@sha256:…, as your registry tells it; "${base}" has none`,
  );
}
