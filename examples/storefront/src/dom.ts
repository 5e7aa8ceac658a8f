/** Elements without a framework. Every text goes in as a text node, so that no title of a sale is markup. */

type Attributes = Record<string, string | number | boolean | undefined>;
type Child = Node | string | undefined;

/** @param attributes false and undefined leave an attribute out, true makes it empty */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

export function button(label: string, onPress: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, label);
  made.addEventListener('click', onPress);
  return made;
}

/** Changes what is shown only where it differs: a reader's place and selection stay. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Tells people who do not see the page what has changed. */
export function say(text: string): void {
  setText(byId('says'), text);
}

/** Runs at once and each second, until the signal ends it. */
export function eachSecond(signal: AbortSignal, run: () => void): void {
  run();
  const timer = setInterval(run, 1_000);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
  });
}
