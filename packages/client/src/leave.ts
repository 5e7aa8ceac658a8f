/** What is needed of `globalThis` of a page. */
export interface Page {
  addEventListener(type: 'pagehide', listener: () => void): void;
  removeEventListener(type: 'pagehide', listener: () => void): void;
}

/** `globalThis` has these events in a page alone, and only types without those of a page say so. */
const ownPage: unknown = globalThis;

/**
 * Calls `leave` once, when the page is hidden for good or for its return by "back". `pagehide` comes on
 * phones too, where `unload` does not.
 * @returns what stops it
 */
export function onLeave(leave: () => void, page: Page = ownPage as Page): () => void {
  const stop = (): void => {
    page.removeEventListener('pagehide', left);
  };
  const left = (): void => {
    stop();
    leave();
  };
  page.addEventListener('pagehide', left);
  return stop;
}
