import { ConfigReader, readKafkaSettings, readStackFile, type KafkaSettings } from '@seckill/runtime';

/** Where the engines are, for commands of an operator; each asks only for those it needs. */
export interface EngineUrls {
  databaseUrl: () => string;
  kafka: () => KafkaSettings;
}

/**
 * From DATABASE_URL and KAFKA_BROKERS; from a running stack of this checkout when one is named, or when
 * neither is set.
 * @throws CommandError; each of the two functions throws ConfigError when a variable of its own is missing or
 * wrong.
 */
export function findEngines(
  stack: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): EngineUrls {
  const names = ['DATABASE_URL', 'DATABASE_URL_FILE', 'KAFKA_BROKERS'];
  const isConfigured = names.some((name) => (environment[name] ?? '') !== '');
  if (stack !== undefined || !isConfigured) return readStack(stack ?? 'default');
  const read = <Value>(take: (reader: ConfigReader) => Value): Value => {
    const reader = new ConfigReader(environment);
    const value = take(reader);
    reader.done();
    return value;
  };
  return {
    databaseUrl: () => read((reader) => reader.url('DATABASE_URL', ['postgres', 'postgresql'])),
    kafka: () => read(readKafkaSettings),
  };
}

function readStack(name: string): EngineUrls {
  const { postgres, kafka } = readStackFile(name, ['postgres', 'kafka']);
  return { databaseUrl: () => postgres, kafka: () => ({ brokers: kafka.split(',') }) };
}
