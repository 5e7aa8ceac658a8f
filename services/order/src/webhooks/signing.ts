import { createHmac } from 'node:crypto';

export interface Message {
  /** The header `webhook-id`. */
  id: string;
  /** Seconds since 1970 by Postgres' clock: when this attempt began. */
  at: number;
  body: string;
}

/** The header `webhook-signature` of Standard Webhooks 1.0.0: one signature a secret, the newest first. */
export function sign({ id, at, body }: Message, secrets: readonly Buffer[]): string {
  return secrets
    .map((secret) => `v1,${createHmac('sha256', secret).update(`${id}.${at}.${body}`).digest('base64')}`)
    .join(' ');
}

/** A secret as a person gets it. */
export function formatSecret(secret: Buffer): string {
  return `whsec_${secret.toString('base64')}`;
}
