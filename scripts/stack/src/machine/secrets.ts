import { randomBytes } from 'node:crypto';

/** 192 bits, safe in URLs and configuration files. */
export function makePassword(): string {
  return randomBytes(24).toString('base64url');
}
