/** Where the keyboard is, and where it goes on when what it was at is shown anew. */

/** The id of the part of the page below its head. */
export const CONTENT = 'content';

export const contentBox = (): HTMLElement | null => document.getElementById(CONTENT);

/**
 * Remembers what has the focus. A table that is read anew has other buttons than before.
 * @returns gives the focus back: to the same element, to its like in the same row, or to the screen.
 */
export function rememberFocus(): () => void {
  const before = document.activeElement;
  const find = (one: Element | null): string =>
    [
      one?.tagName,
      one?.textContent,
      one?.closest('[role=region]')?.getAttribute('aria-label'),
      one?.closest('tr')?.rowIndex,
    ].join(' / ');
  const name = find(before);
  return () => {
    const like = before?.isConnected === true ? before : undefined;
    const found =
      like ?? [...(contentBox()?.querySelectorAll('button, a') ?? [])].find((one) => find(one) === name);
    const target = found ?? contentBox();
    if (target instanceof HTMLElement) target.focus();
  };
}

/** Shows other content, and lets nobody who was in it fall out of the page. */
export function replaceContent(place: HTMLElement, ...content: (Node | string)[]): void {
  const giveBack = place.contains(document.activeElement) ? rememberFocus() : undefined;
  place.replaceChildren(...content);
  giveBack?.();
}
