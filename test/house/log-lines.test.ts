// Goal: an operator finds every line of the log that wants a person in docs/operating/logs.md.
// Method: the texts that the services and the runtime log as errors, or end a process with, are read from
// their sources.
import t from 'tap';
import ts from 'typescript';
import { listFiles, read } from '../support/repository.ts';

const SOURCES = listFiles().filter((path) => /^(services\/[^/]+|packages\/runtime)\/src\/.*\.ts$/.test(path));
const DOCUMENT = 'docs/operating/logs.md';

/** A text that is logged, and where. `…` stands for what varies in the text. */
interface Line {
  at: string;
  text: string;
}

function linesOf(path: string): Line[] {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
  const lines: Line[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isError(node.expression)) {
      const at = `${path}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
      lines.push(...node.arguments.flatMap(textsOf).map((text) => ({ at, text })));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

/** `logger.error`, `log.fatal`, `lifecycle.fail`, or the level chosen by a condition. */
function isError(callee: ts.Expression): boolean {
  if (ts.isElementAccessExpression(callee)) return /error/.test(callee.argumentExpression.getText());
  if (!ts.isPropertyAccessExpression(callee)) return false;
  const name = callee.name.text;
  const owner = callee.expression.getText();
  return (
    (/^(error|fatal)$/.test(name) && /log(ger)?$/i.test(owner)) ||
    (name === 'fail' && /lifecycle$/.test(owner))
  );
}

function textsOf(node: ts.Expression): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (!ts.isTemplateExpression(node)) return [];
  // A choice between two texts makes two lines. Any other value varies.
  return node.templateSpans.reduce(
    (texts, { expression, literal }) => {
      const inner = ts.isConditionalExpression(expression)
        ? [...textsOf(expression.whenTrue), ...textsOf(expression.whenFalse)]
        : ['…'];
      return texts.flatMap((text) => inner.map((one) => text + one + literal.text));
    },
    [node.head.text],
  );
}

await t.test('every line of level 50 and 60 is in the table of the operators', async (t) => {
  const document = read(DOCUMENT).replaceAll(/\s+/g, ' ');
  const lines = SOURCES.flatMap(linesOf);
  t.ok(lines.length > 20, 'lines are found');
  for (const { at, text } of lines)
    t.ok(document.includes(`\`${text}\``), `${at} "${text}" is in ${DOCUMENT}`);
});

await t.test('the tables name no line that the code does not write', async (t) => {
  const sources = SOURCES.map(read).join('\n');
  const rows = [...read(DOCUMENT).matchAll(/^\| (`[^|]*`) \|/gm)].map(([, cell = '']) => cell);
  const named = rows.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text));
  t.ok(named.length > 20, 'lines are named');
  // Two texts share their beginning in the source: `intake: Kafka ${…}`.
  const isWritten = (text: string): boolean =>
    sources.includes(text) ||
    (sources.includes('intake: Kafka ${') && sources.includes(text.replace('intake: Kafka ', '')));
  for (const text of named) t.ok(isWritten(text), `"${text}" is written somewhere`);
});
