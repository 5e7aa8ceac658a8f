import { Type } from 'typebox';

/**
 * W3C Trace Context, version 00, section 3.2: neither id is all zeros. Other versions are not ours to pass
 * on, for we could not tell a well-formed one.
 */
export const TRACEPARENT = '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$';
export const Traceparent = Type.String({ pattern: TRACEPARENT });
