import { startKafka, type Extend, type KafkaAlone } from '@seckill/stack';

interface KafkaWay {
  name: string;
  /** Port of the way to it, on loopback. */
  port: number;
  /** Is told where the way must lead, before anybody goes it. */
  aim: (target: URL) => void;
  log?: (line: string) => void;
}

/**
 * A Kafka of its own whose clients all come by one way: the broker tells them that it is there.
 * @throws Error where no Kafka can be had as a program of this machine, and as `startKafka` does.
 */
export async function startKafkaByWay({ name, port, aim, log }: KafkaWay): Promise<KafkaAlone> {
  const extend: Extend = async (settings) => {
    const own = /^PLAINTEXT:\/\/127\.0\.0\.1:(\d+)/.exec(settings['listeners'] ?? '')?.[1] ?? '';
    aim(new URL(`http://127.0.0.1:${own}`));
    const advertised = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}` };
    return { settings: advertised, format: [], java: [] };
  };
  const kafka = await startKafka(name, extend, log);
  if (kafka === undefined) throw new Error('no Kafka can be had as a program of this machine');
  return kafka;
}
