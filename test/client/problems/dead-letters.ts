/** A dead letter that nobody can replay: its message was too large to be kept whole. */
import { randomUUID } from 'node:crypto';
import { DEAD_LETTER, TOPICS, type DeadLetter } from '@seckill/contracts';
import { createKafka, createProducer, createPublisher } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import type { Client as System } from '../../support/stack.ts';
import { PLACE } from './calls.ts';
import type { Conflicts } from './conflicts.ts';

/** Puts the letter into its topic. @returns the id that an operator sees. */
export async function putHugeLetter(system: System): Promise<string> {
  const kafka = createKafka({ brokers: system.stack.info.kafka.split(',') }, 'client-problems', silent);
  const producer = createProducer(kafka);
  await producer.connect();
  const key = `huge-${randomUUID()}`;
  const letter: DeadLetter = {
    topic: TOPICS.reservations.name,
    partition: 5,
    offset: '17',
    error: 'not understood',
    value: '',
    isTruncated: true,
  };
  await createPublisher(producer).publish(TOPICS.deadLetters, DEAD_LETTER, [
    { key, value: JSON.stringify(letter) },
  ]);
  await producer.disconnect();
  const token = await system.token('operator', true);
  const { body, text } = await system.send({ path: '/v1/dead-letters?limit=100', token });
  const found = (body['data'] as { id: string; key: string }[] | undefined)?.find((one) => one.key === key);
  if (found === undefined) throw new Error(text);
  return found.id;
}

export async function provokeOfDeadLetters({ system, ask }: Conflicts): Promise<void> {
  await ask('replayDeadLetter');
  await ask('finishDeadLetter');
  await ask('replayDeadLetter', { at: { ...PLACE, letterId: await putHugeLetter(system) } });
}
