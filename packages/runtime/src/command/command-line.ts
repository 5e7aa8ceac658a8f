/** Reads a command line: every mistake is told in one line, before anything happens. */
import { parseArgs } from 'node:util';
import { UsageError } from './command-error.ts';
import type { Options, Values } from './command-options.ts';

export interface CommandLine<Given extends Options> {
  help: string;
  options: Given;
  /** The most words beside the options; default: none. */
  wordsMax?: number;
}

export interface Parsed<Given extends Options> {
  values: Values<Given>;
  words: string[];
}

/**
 * Another spelling of an option, taken wherever the option is. Some commands knew a stack's name only under
 * this spelling.
 */
const ALIASES: Record<string, string> = { stack: 'name' };

/**
 * @returns undefined when the help is asked for, whatever else stands there.
 * @throws UsageError for an option that is unknown, given twice, without its value or with a wrong one, and
 * for words that nobody reads.
 */
export function parseCommandLine<Given extends Options>(
  { options, wordsMax = 0 }: CommandLine<Given>,
  args: string[],
): Parsed<Given> | undefined {
  const kinds = Object.entries(options).map(
    ([name, { isFlag }]) => [name, { type: isFlag ? ('boolean' as const) : ('string' as const) }] as const,
  );
  const aliases = Object.entries(ALIASES).filter(([, name]) => Object.hasOwn(options, name));
  const { tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: {
      ...Object.fromEntries(kinds),
      ...Object.fromEntries(aliases.map(([alias]) => [alias, { type: 'string' as const }])),
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help')) return undefined;
  const given = new Map<string, string>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const name = Object.fromEntries(aliases)[token.name] ?? token.name;
    if (given.has(name)) throw new UsageError(`--${name} is given twice`);
    given.set(name, textOf(options, { ...token, name }));
  }
  if (words.length > wordsMax) throw new UsageError(`"${words[wordsMax] ?? ''}" is a word too many`);
  return { values: readValues(options, given), words };
}

interface Token {
  name: string;
  rawName: string;
  value: string | undefined;
  inlineValue: boolean | undefined;
}

/** The text behind an option, '' for a flag. */
function textOf(options: Options, { name, rawName, value, inlineValue }: Token): string {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const known = [...Object.keys(options), 'help'].map((one) => `--${one}`);
    throw new UsageError(`there is no option ${rawName}, only ${known.join(' ')}`);
  }
  if (option.isFlag) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return '';
  }
  // A value that looks like an option means that the value was forgotten. A number may be below zero.
  const isOption = inlineValue !== true && value !== undefined && /^-(?![\d.])/.test(value);
  if (value === undefined || isOption) throw new UsageError(`${rawName} wants a value`);
  return value;
}

function readValues<Given extends Options>(options: Given, given: Map<string, string>): Values<Given> {
  const values: Record<string, unknown> = {};
  const names = [...given.keys()].sort((left, right) => rank(options[left]) - rank(options[right]));
  for (const name of names) {
    try {
      values[name] = options[name]?.read(given.get(name) ?? '');
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const joint = /^(must|cannot|knows) /.test(error.message) ? ' ' : ': ';
      throw new UsageError(`--${name}${joint}${error.message}`, error.cause);
    }
  }
  return values as Values<Given>;
}

const rank = (option: Options[string] | undefined): number => (option?.isFile === true ? 1 : 0);
