/** What an error of kafkajs says: whether Kafka is away, or refuses us. */

/** The client's own error: it cannot reach Kafka, or Kafka refuses. */
export function isKafkaJsError(error: unknown): error is Error {
  return error instanceof Error && error.name.startsWith('KafkaJS');
}

export const isPasswordError = (error: Error): boolean => error.name === 'KafkaJSSASLAuthenticationError';

/**
 * Kafka knows no such user or password or does not allow what was asked, or its certificate is not one that
 * we trust. Asking again does not mend this. kafkajs also gives the name of a failed authentication to one
 * that was cut off (#1550).
 */
export function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code, type } = error as Error & { code?: unknown; type?: unknown };
  if (isPasswordError(error)) return !/timed out|connect/i.test(error.message);
  if (/_AUTHORIZATION_FAILED$/.test(String(type))) return true;
  return /CERT|UNABLE_TO_|ERR_TLS_|ERR_SSL_/.test(String(code)) || isRefusal(error.cause);
}
