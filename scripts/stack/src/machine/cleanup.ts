/**
 * What must be undone even when the program leaves by process.exit in the middle of a start. Cleanups run in
 * reverse order, so that children are killed before their folders are removed. Only a SIGKILL goes past them.
 * Then the children's guards and the next start do this work.
 */
const cleanups = new Set<() => void>();

process.on('exit', () => {
  for (const cleanup of [...cleanups].reverse()) {
    try {
      cleanup();
    } catch {
      // The program is exiting, so the other cleanups still have to run. The next start removes what is left.
    }
  }
});

/**
 * Registers a synchronous cleanup. The returned function takes the cleanup back once it was done in the
 * ordinary way.
 */
export function atExit(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
  };
}
