import { UsageError } from '@seckill/runtime';

/**
 * Checks that the base is named by a digest. A tag moves, but a digest is what was tested.
 * @throws UsageError
 */
export function checkRelease(base: string): void {
  if (/@sha256:[0-9a-f]{64}$/.test(base)) return;
  throw new UsageError(
    `a release names its base with a digest, IMAGE@sha256:…, as your registry tells it; "${base}" has none`,
  );
}
