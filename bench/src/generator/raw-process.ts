/** Runs a raw client in a process of its own, so that its cost can be told from the service's cost. */
import { openRawClient, type RawClient, type RawLoad, type RawResult } from './raw-client.ts';

export type ToRaw = { kind: 'open'; load: RawLoad } | { kind: 'run'; durationMs: number };
export type FromRaw =
  { kind: 'ready' } | { kind: 'result'; result: RawResult } | { kind: 'failed'; text: string };

const tell = (message: FromRaw): void => {
  process.send?.(message);
};

let client: RawClient | undefined;

async function obey(message: ToRaw): Promise<void> {
  try {
    if (message.kind === 'open') {
      client = await openRawClient(message.load);
      tell({ kind: 'ready' });
    } else if (client !== undefined) {
      tell({ kind: 'result', result: await client.run(message.durationMs) });
    }
  } catch (error) {
    tell({ kind: 'failed', text: String(error) });
  }
}

process.on('message', (message: ToRaw) => void obey(message));
process.on('disconnect', () => process.exit(0));
