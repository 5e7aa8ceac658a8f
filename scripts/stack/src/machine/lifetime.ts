/** Tells when a command-line program must end: at a signal, or at the death of the npm that started it. */
import { readProcess } from '@seckill/runtime';

/**
 * npm forwards the Ctrl-C that the terminal already sent us. Two signals within this time, in ms, are one
 * wish.
 */
const SAME_WISH_MS = 500;

const WATCH_EVERY_MS = 500;

const SHELLS = new Set(['sh', 'dash', 'bash', 'ash', 'zsh', 'busybox']);

const EXIT_CODES: Record<string, number> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/**
 * npm runs `sh -c "build && node x.js"`. A killed npm leaves the shell waiting for us, so our own parent
 * lives on. Hence the shell's parent is watched too. A process that lost its parent is given another. The ids
 * are compared, which also sees a parent that is dead but not yet collected.
 */
function watchNpm(onGone: () => void): NodeJS.Timeout | undefined {
  if (process.env['npm_lifecycle_event'] === undefined) return undefined;
  const parent = process.ppid;
  const status = readProcess(parent);
  const grandparent = status !== undefined && SHELLS.has(status.command) ? status.parent : undefined;
  const timer = setInterval(() => {
    const isOrphan = process.ppid !== parent;
    const isShellOrphan = grandparent !== undefined && readProcess(parent)?.parent !== grandparent;
    if (!isOrphan && !isShellOrphan) return;
    clearInterval(timer);
    onGone();
  }, WATCH_EVERY_MS);
  return timer.unref();
}

/**
 * Calls `stop` once when the program must end, then exits with the signal's usual code. A second signal exits
 * at once: what we started is bound to our life and dies with us. `release` ends the watching.
 */
export function onEnd(stop: (reason: string) => Promise<void>): { release(): void } {
  let endedAt: number | undefined;
  const end = (reason: string): void => {
    const now = performance.now();
    const code = EXIT_CODES[reason] ?? 143;
    if (endedAt !== undefined) {
      if (now - endedAt > SAME_WISH_MS) process.exit(code);
      return;
    }
    endedAt = now;
    stop(reason).then(
      () => process.exit(code),
      () => process.exit(code),
    );
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  const timer = watchNpm(() => {
    end('npm is gone');
  });
  return {
    release() {
      for (const signal of signals) process.off(signal, end);
      clearInterval(timer);
    },
  };
}
