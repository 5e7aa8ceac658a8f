import { Type } from 'typebox';

/**
 * W3C Trace Context, version 00, section 3.2: neither id is all zeros. Other versions are not passed on,
 * because we could not tell whether one is well formed.
 */
export const TRACEPARENT = '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$';
export const Traceparent = Type.String({ pattern: TRACEPARENT });
