/**
 * The kinds of options that our commands take. Each says what it wants, and reads a word of the command line.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TString } from 'typebox';
import { Compile } from 'typebox/compile';
import { UsageError } from './command-error.ts';

export interface Option<Value> {
  /** A flag takes no value: it is there or not. */
  isFlag: boolean;
  /** A file is read when all other options were found right, because reading touches the disk. */
  isFile?: true;
  /** @throws UsageError: a sentence, or the rest of one that begins with the option's name ("must be …"). */
  read(text: string): Value;
}

export type Options = Record<string, Option<unknown>>;

/** What a command line gave: nothing stands for an option that is absent. */
export type Values<Given extends Options> = {
  -readonly [Name in keyof Given]?: Given[Name] extends Option<infer Value> ? Value : never;
};

const option = <Value>(read: (text: string) => Value): Option<Value> => ({ isFlag: false, read });

const fileOption = (read: (text: string) => string): Option<string> => ({
  isFlag: false,
  isFile: true,
  read,
});

export const flag: Option<boolean> = { isFlag: true, read: () => true };

/** Any text that is not blank. */
export const words = option((text) => {
  if (text.trim() === '') throw new UsageError('must not be empty');
  return text;
});

/** Words of a form, which `rule` describes. */
export const matching = (pattern: RegExp, rule: string): Option<string> =>
  option((text) => {
    if (!pattern.test(text)) throw new UsageError(`must be ${rule}`);
    return text;
  });

/** Words that fit a schema of the API, which `rule` describes. */
export function fitting(schema: TString, rule: string): Option<string> {
  const compiled = Compile(schema);
  return option((text) => {
    if (!compiled.Check(text)) throw new UsageError(`must be ${rule}`);
    return text;
  });
}

const STACK_NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;

export const isStackName = (name: string): boolean => STACK_NAME.test(name);

/** @throws UsageError for what is no name of a stack. */
export function checkStackName(name: string): string {
  if (isStackName(name)) return name;
  throw new UsageError(`no stack can be named "${name}": 1–41 lowercase letters, digits and dashes`);
}

/** Every command calls this option `--name`. */
export const stackName = option(checkStackName);

function readNumber(text: string, min: number, max: number, isWhole: boolean): number {
  const isDecimal = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text);
  const value = Number(text);
  if (isDecimal && value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
  throw new UsageError(`must be a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}`);
}

/** The bounds are those beyond which a number is a slip of the finger. */
export const wholeNumber = (min: number, max: number): Option<number> =>
  option((text) => readNumber(text, min, max, true));

export const anyNumber = (min: number, max: number): Option<number> =>
  option((text) => readNumber(text, min, max, false));

export const oneOf = <Word extends string>(choices: readonly Word[]): Option<Word> =>
  option((text) => {
    const choice = choices.find((word) => word === text);
    if (choice === undefined) throw new UsageError(`must be one of ${choices.join(', ')}`);
    return choice;
  });

/** Words separated by commas. `noun` says what they are. */
export const someOf = <Word extends string>(noun: string, choices: readonly Word[]): Option<Word[]> =>
  option((text) => {
    const given = text.split(',').map((word) => word.trim());
    const unknown = given.find((word) => !(choices as readonly string[]).includes(word));
    if (unknown !== undefined)
      throw new UsageError(`knows no ${noun} "${unknown}", only ${choices.join(', ')}`);
    return choices.filter((word) => given.includes(word));
  });

/** An address of one of these protocols, with a host. */
export const address = (...protocols: string[]): Option<string> =>
  option((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url !== undefined && protocols.includes(url.protocol.slice(0, -1)) && url.hostname !== '')
      return text;
    throw new UsageError(`must be an address such as ${protocols[0] ?? ''}://HOST:PORT`);
  });

/** Where a service listens: no path, no query, no login. */
export const origin = (...protocols: string[]): Option<string> =>
  option((text) => {
    const url = new URL(address(...protocols).read(text));
    const isBare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
    if (!isBare) throw new UsageError(`must be an address alone, such as ${protocols[0] ?? ''}://HOST:PORT`);
    return url.origin;
  });

const HOST_AND_PORT = /^([^\s,:/@]+|\[[\da-f:]+\]):(\d{1,5})$/i;

/** `HOST:PORT`, or several, separated by commas. */
export const hostsAndPorts = option((text) => {
  const isAll = text.split(',').every((one) => Number(HOST_AND_PORT.exec(one.trim())?.[2] ?? NaN) <= 65_535);
  if (!isAll) throw new UsageError('must be HOST:PORT, or several of them separated by commas');
  return text;
});

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file or folder',
    ENOTDIR: 'a part of the path is no folder',
    EISDIR: 'it is a folder',
    EEXIST: 'it is a file',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
  };
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}

/** What is wrong with a file, in words. */
export function cannot(verb: string, error: unknown): UsageError {
  return new UsageError(`cannot be ${verb}: ${reasonOf(error)}`, error);
}

/**
 * A file to be written at the end. Whether it can be written is checked now, before the work that it is for.
 */
export const outputFile = fileOption((text) => {
  const file = resolve(words.read(text));
  try {
    const status = statSync(file, { throwIfNoEntry: false });
    if (status?.isDirectory() === true) throw new UsageError('cannot be written: it is a folder');
    if (status !== undefined && !status.isFile()) accessSync(file, constants.W_OK);
    else {
      closeSync(openSync(file, 'a'));
      if (status === undefined) rmSync(file);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw cannot('written', error);
  }
  return file;
});

/** A folder for files that are written at the end. The folder is made now. */
export const outputFolder = fileOption((text) => {
  const folder = resolve(words.read(text));
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw cannot('written', error);
  }
  return folder;
});

/** A file that is there and can be read. */
export const inputFile = fileOption((text) => {
  const file = resolve(words.read(text));
  try {
    if (statSync(file).isDirectory()) throw new UsageError('cannot be read: it is a folder');
    accessSync(file, constants.R_OK);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw cannot('read', error);
  }
  return file;
});
