import { Problem } from '@seckill/runtime';
import standardwebhooks from 'standardwebhooks';

const { Webhook, WebhookVerificationError } = standardwebhooks;

export interface SignatureVerifier {
  /**
   * Standard Webhooks 1.0.0: HMAC-SHA256 over id, timestamp and body as they came, compared in constant time;
   * a timestamp more than five minutes off is refused.
   * @throws Problem `bad_signature`
   */
  verify(body: string, headers: Record<string, string | string[] | undefined>): void;
}

/**
 * Several secrets: during a rotation the provider signs with the new one while notices under the old are
 * under way.
 */
export function createSignatureVerifier(secrets: string[]): SignatureVerifier {
  const webhooks = secrets.map((secret) => new Webhook(secret));
  return {
    verify(body, headers) {
      const signed = {
        'webhook-id': String(headers['webhook-id'] ?? ''),
        'webhook-timestamp': String(headers['webhook-timestamp'] ?? ''),
        'webhook-signature': String(headers['webhook-signature'] ?? ''),
      };
      let refusal: Error | undefined;
      for (const webhook of webhooks) {
        try {
          webhook.verify(body, signed, { jsonParse: false });
          return;
        } catch (error) {
          if (!(error instanceof WebhookVerificationError)) throw error;
          refusal = error;
        }
      }
      throw new Problem('bad_signature', {
        detail: refusal?.message ?? 'no secret is configured',
        cause: refusal,
      });
    },
  };
}
