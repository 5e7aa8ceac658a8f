import {
  CommandError,
  ConfigReader,
  Problem,
  readKafkaSettings,
  readStackFile,
  type KafkaSettings,
} from '@seckill/runtime';

/** Where the engines are, for commands of an operator. Each command asks only for the engines it needs. */
export interface EngineUrls {
  databaseUrl: () => string;
  kafka: () => KafkaSettings;
}

/**
 * Takes the addresses from DATABASE_URL and KAFKA_BROKERS. When a stack is named, or neither variable is set,
 * they come from a running stack of this checkout.
 * @throws CommandError when no such stack runs; each of the two functions throws ConfigError when a variable
 * of its own is missing or wrong.
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

/** A person reads what a route would answer; any other error stays what it is. */
export function forPerson(error: unknown): unknown {
  return error instanceof Problem ? new CommandError(error.message) : error;
}
