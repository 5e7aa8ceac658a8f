/** One line for a person, without its end. */
export type Log = (line: string) => void;

const PROGRESS_EVERY_MS = 10_000;

/** Runs `task` and says every 10 s that it still goes on. */
export async function withProgress<T>(what: string, log: Log, task: Promise<T>): Promise<T> {
  const begun = performance.now();
  log(`${what} …`);
  const timer = setInterval(() => {
    log(`${what} … ${Math.round((performance.now() - begun) / 1000)} s`);
  }, PROGRESS_EVERY_MS);
  try {
    return await task;
  } finally {
    clearInterval(timer);
  }
}
