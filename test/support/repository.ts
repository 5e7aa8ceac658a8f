import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Folders that a build, a run or an installation made. We wrote nothing of them. */
const LEFT_OUT = new Set(['node_modules', 'dist', '.git', '.tap', '.run', 'coverage', 'runs']);

const ROOT = join(import.meta.dirname, '../..');

/** Every file of the repository, by its path from the root with `/` between folders. */
export function listFiles(folder = ''): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : listFiles(path);
    return [path];
  });
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** A piece of text that a person reads, with the line on which it begins. */
export interface Prose {
  path: string;
  line: number;
  text: string;
}

/** The words of a file: all of a document, the comments of a program. */
export function readProse(path: string): Prose[] {
  const text = read(path);
  if (path.endsWith('.md')) return [{ path, line: 1, text }];
  if (/\.[cm]?[jt]s$/.test(path)) return joinLines(path, readScriptComments(text));
  const mark = /\.(lua|sql)$/.test(path) ? '--' : '#';
  const comments = text.split('\n').flatMap((line, index) => {
    const comment = new RegExp(`(?:^|\\s)${mark}+-?(?:\\s(.*))?$`).exec(line);
    return comment === null ? [] : [{ line: index + 1, text: comment[1] ?? '' }];
  });
  return joinLines(path, comments);
}

/** Comments on lines that follow each other are one: a sentence goes on in the next line. */
function joinLines(path: string, comments: Omit<Prose, 'path'>[]): Prose[] {
  const joined: Prose[] = [];
  for (const { line, text } of comments) {
    const last = joined.at(-1);
    const end = last === undefined ? -1 : last.line + last.text.split('\n').length;
    if (last !== undefined && line === end) last.text += `\n${text}`;
    else joined.push({ path, line, text });
  }
  return joined;
}

/**
 * Finds comments as the compiler reads them, because a string or a regular expression may hold what looks
 * like one.
 */
function readScriptComments(text: string): Omit<Prose, 'path'>[] {
  const source = ts.createSourceFile('x.ts', text, ts.ScriptTarget.Latest, true);
  const found = new Map<number, number>();
  const visit = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) {
      found.set(range.pos, range.end);
    }
    for (const range of ts.getTrailingCommentRanges(text, node.getEnd()) ?? [])
      found.set(range.pos, range.end);
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  return [...found]
    .sort(([one], [other]) => one - other)
    .map(([start, end]) => ({
      line: source.getLineAndCharacterOfPosition(start).line + 1,
      text: text
        .slice(start, end)
        .split('\n')
        .map((line) => line.replace(/^\s*(?:\/\/|\/\*\*?|\*\/|\*)\s?/, '').replace(/\s*\*\/$/, ''))
        .join('\n'),
    }));
}

/** The headings of a document, and the anchors that the hosting page makes of them. */
export function readHeadings(path: string): { texts: Set<string>; anchors: Set<string> } {
  const texts = new Set<string>();
  const anchors = new Set<string>();
  let isCode = false;
  for (const line of read(path).split('\n')) {
    if (line.startsWith('```')) isCode = !isCode;
    const [, heading] = (isCode ? null : /^#+ (.*)$/.exec(line)) ?? [];
    if (heading === undefined) continue;
    texts.add(heading);
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return { texts, anchors };
}
