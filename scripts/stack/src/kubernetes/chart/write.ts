/** Writes trees as YAML with conditions of Helm between the lines. */
import { stringify } from 'yaml';
import { Expression, isFields, type Choice, type Element, type Tree, type Value } from './tree.ts';

export const isOn = (component: string): string => `(index .Values.components "${component}")`;

/** Braces of the manifests, as in Grafana's legends and Prometheus' texts, are not for Helm. */
const escape = (text: string): string => text.replaceAll('{{', '{{ "{{" }}');

const indent = (lines: string[], by = '  '): string[] => lines.map((line) => (line === '' ? '' : by + line));

/** A list of lines under a dash. */
const asElement = ([first = '', ...rest]: string[]): string[] => [`- ${first}`, ...indent(rest)];

function hasExpression(value: Value): boolean {
  if (value instanceof Expression) return true;
  if (Array.isArray(value)) return value.some(hasExpression);
  return isFields(value) && Object.values(value).some(hasExpression);
}

const plainLines = (value: Value): string[] =>
  // Helm reads YAML 1.1, to which `on` and `yes` are no strings.
  escape(stringify(value, { lineWidth: 0, version: '1.1' }).replace(/\n$/, '')).split('\n');

/** Lines of a value; one line for what may stand behind its key. */
function linesOf(value: Value): string[] {
  if (value instanceof Expression) return value.text.split('\n');
  if (!hasExpression(value)) return plainLines(value);
  if (Array.isArray(value)) return value.flatMap((element) => asElement(linesOf(element)));
  return Object.entries(value as object).flatMap(([key, inner]) =>
    writeField(key, { plain: inner as Value }),
  );
}

/** Whether the lines of a value begin on the line below its key. */
const isBlock = (tree: Tree): boolean =>
  !('plain' in tree) || !(tree.plain instanceof Expression) || tree.plain.text.includes('\n');

/** @param write what stands in the template for one of the values */
function writeChoice({ base, given, taken }: Choice, write: (tree: Tree) => string[]): string[] {
  const rest = base === undefined ? [] : write(base);
  const cases = [...given]
    .reverse()
    .flatMap(({ component, tree }, index) => [
      `{{- ${index === 0 ? '' : 'else '}if ${isOn(component)} }}`,
      ...write(tree),
    ]);
  const last = rest.length > 0 ? ['{{- else }}', ...rest] : [];
  const lines = given.length === 0 ? rest : [...cases, ...last, '{{- end }}'];
  return unless(taken, lines);
}

/** Lines that stand where none of the components is on. */
export function unless(components: string[], lines: string[]): string[] {
  if (components.length === 0) return lines;
  const [first = '', ...others] = components.map(isOn);
  const any = others.length === 0 ? first : `(or ${[first, ...others].join(' ')})`;
  return [`{{- if not ${any} }}`, ...lines, '{{- end }}'];
}

function writeField(key: string, tree: Tree): string[] {
  if ('choice' in tree) return writeChoice(tree.choice, (one) => writeField(key, one));
  // A text of many lines has its indentation from its key.
  if ('plain' in tree && !hasExpression(tree.plain)) return plainLines({ [key]: tree.plain });
  const [name = ''] = plainLines(key);
  const lines = writeTree(tree);
  return isBlock(tree) ? [`${name}:`, ...indent(lines)] : [`${name}: ${lines.join('')}`];
}

function writeElement({ tree, when, unless: taken }: Element): string[] {
  const lines = unless(taken, asElement(writeTree(tree)));
  return when === undefined ? lines : [`{{- if ${isOn(when)} }}`, ...lines, '{{- end }}'];
}

/** The lines of a tree. Conditions stand at the beginning of their line, so that they leave none behind. */
export function writeTree(tree: Tree): string[] {
  if ('plain' in tree) return linesOf(tree.plain);
  if ('choice' in tree) return writeChoice(tree.choice, writeTree);
  if ('fields' in tree) return tree.fields.flatMap(([key, inner]) => writeField(key, inner));
  return tree.elements.flatMap(writeElement);
}
