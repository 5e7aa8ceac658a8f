import { randomBytes } from 'node:crypto';

/** Makes a password of 192 bits that is safe in URLs and configuration files. */
export function makePassword(): string {
  return randomBytes(24).toString('base64url');
}
