import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Text of a file of the repository. */
export function read(path: string): string {
  return readFileSync(`${ROOT}/${path}`, 'utf8');
}

/** Files below a folder of the repository whose names end so, sorted, without what is built or installed. */
export function filesBelow(folder: string, end: string): string[] {
  return readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(end) && !/(^|\/)(node_modules|dist|\.tap|\.run)\//.test(path))
    .map((path) => (folder === '.' ? path : `${folder}/${path}`))
    .sort();
}

export interface TableRow {
  /** The nearest heading above the table. */
  heading: string;
  cells: string[];
}

/** Rows of every table of these pages whose first column has this name. */
export function rowsOf(pages: string[], firstColumn: string): TableRow[] {
  const rows: TableRow[] = [];
  for (const page of pages) {
    let heading = '';
    let isOurs = false;
    for (const line of read(page).split('\n')) {
      heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
      const cells = line.startsWith('|') ? line.slice(1, -1).split(/(?<!\\)\|/) : undefined;
      const trimmed = cells?.map((cell) => cell.trim()) ?? [];
      if (cells === undefined) isOurs = false;
      else if (trimmed[0] === firstColumn) isOurs = true;
      else if (isOurs && !/^-+$/.test(trimmed[0] ?? '')) rows.push({ heading, cells: trimmed });
    }
  }
  return rows;
}

/** The names that stand in backticks in a cell. */
export function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '');
}
