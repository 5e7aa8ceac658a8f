/**
 * Goal: a command line is read as it was meant, or refused in one line before anything happens. Method: every
 * kind of option with what it takes and what it does not; files are real ones.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { parseCommandLine } from '../../src/command/command-line.ts';
import * as kinds from '../../src/command/command-options.ts';

const line = {
  help: 'help',
  options: {
    name: kinds.stackName,
    count: kinds.wholeNumber(1, 100),
    share: kinds.anyNumber(-1, 1),
    keep: kinds.flag,
    shape: kinds.oneOf(['round', 'square']),
    only: kinds.someOf('engine', ['redis', 'kafka']),
    target: kinds.origin('http', 'https'),
    redis: kinds.address('redis'),
    kafka: kinds.hostsAndPorts,
    title: kinds.words,
  },
  wordsMax: 1,
};

const parse = (...args: string[]) => parseCommandLine(line, args);

await test('options are read by their kind', async (t) => {
  const args = '--name my-1 --count 7 --share -0.5 --keep --shape=round --only kafka,redis word';
  t.same(parse(...args.split(' ')), {
    values: { name: 'my-1', count: 7, share: -0.5, keep: true, shape: 'round', only: ['redis', 'kafka'] },
    words: ['word'],
  });
  t.same(
    parse('--target', 'http://127.0.0.1:8080/', '--redis', 'redis://:pw@h:1/0', '--kafka', 'a:1,[::1]:2'),
    {
      values: { target: 'http://127.0.0.1:8080', redis: 'redis://:pw@h:1/0', kafka: 'a:1,[::1]:2' },
      words: [],
    },
  );
  t.same(parse('--title=--keep', '--', '--count'), { values: { title: '--keep' }, words: ['--count'] });
  t.same(parse(), { values: {}, words: [] });
});

await test('--stack is another spelling of --name, where there is one', async (t) => {
  t.same(parse('--stack', 'x')?.values, { name: 'x' });
  t.throws(() => parse('--stack', 'x', '--name', 'x'), { message: '--name is given twice' });
  t.throws(() => parseCommandLine({ help: '', options: {} }, ['--stack', 'x']), {
    message: /^there is no option --stack/,
  });
});

await test('the help is asked for, whatever else stands there', async (t) => {
  for (const args of [['--help'], ['-h'], ['--count', 'abc', '--help'], ['--colour', '--help', 'a', 'b']]) {
    t.equal(parse(...args), undefined, args.join(' '));
  }
});

await test('wrong usage is told with the name of the option, and code 2', async (t) => {
  const table: [string[], RegExp][] = [
    [['--colour'], /^there is no option --colour, only --name .*--help$/],
    [['--toString', 'x'], /^there is no option --toString/],
    [['-x'], /^there is no option -x/],
    [['--name'], /^--name wants a value$/],
    [['--name', '--keep'], /^--name wants a value$/],
    [['--name', '-x'], /^--name wants a value$/],
    [['--name='], /^--name: no stack can be named ""/],
    [['--name', '../etc'], /^--name: no stack can be named/],
    [['--keep=yes'], /^--keep takes no value$/],
    [['--count', '1', '--count', '1'], /^--count is given twice$/],
    ...['abc', '', ' ', '0', '101', '1.5', '-1', '1e1', '0x10', 'NaN', 'Infinity', '７'].map(
      (text): [string[], RegExp] => [['--count', text], /^--count must be a whole number from 1 to 100$/],
    ),
    [['--share', '-1.5'], /^--share must be a number from -1 to 1$/],
    [['--shape', 'oval'], /^--shape must be one of round, square$/],
    [['--only', 'redis,mysql'], /^--only knows no engine "mysql", only redis, kafka$/],
    ...['notaurl', 'ftp://h', 'http://', 'http://h/path', 'http://h?x', 'http://me@h'].map(
      (text): [string[], RegExp] => [['--target', text], /^--target must be an address/],
    ),
    [['--redis', 'http://h'], /^--redis must be an address such as redis:\/\/HOST:PORT$/],
    ...['h', 'h:', 'h:1,', 'h:99999', 'http://h:1', 'h:1,,g:2'].map((text): [string[], RegExp] => [
      ['--kafka', text],
      /^--kafka must be HOST:PORT/,
    ]),
    [['--title', ''], /^--title must not be empty$/],
    [['one', 'two'], /^"two" is a word too many$/],
  ];
  for (const [args, message] of table) {
    t.throws(() => parse(...args), { message, exitCode: 2 }, args.join(' '));
  }
});

await test('files are checked before the run, and nothing is left behind by it', async (t) => {
  const folder = t.testdir({ 'old.json': 'old', sub: {} });
  const file = (name: string) => join(folder, name);
  const read = (kind: kinds.Option<string>, path: string) =>
    parseCommandLine({ help: '', options: { file: kind } }, ['--file', path])?.values.file;
  t.equal(read(kinds.outputFile, file('new.json')), file('new.json'));
  t.equal(read(kinds.outputFile, file('old.json')), file('old.json'));
  t.equal(read(kinds.outputFile, '/dev/null'), '/dev/null');
  t.same(readdirSync(folder).sort(), ['old.json', 'sub']);
  t.equal(read(kinds.inputFile, file('old.json')), file('old.json'));
  t.equal(read(kinds.outputFolder, file('a/b')), file('a/b'));
  t.ok(existsSync(file('a/b')));
  const wrong: [kinds.Option<string>, string, RegExp][] = [
    [kinds.outputFile, '/nonexistent/x', /^--file cannot be written: there is no such file or folder$/],
    [kinds.outputFile, file('old.json/x'), /^--file cannot be written: a part of the path is no folder$/],
    [kinds.outputFile, file('sub'), /^--file cannot be written: it is a folder$/],
    [kinds.outputFile, '/proc/x', /^--file cannot be written/],
    [kinds.outputFile, '', /^--file must not be empty$/],
    [kinds.outputFolder, file('old.json'), /^--file cannot be written: it is a file$/],
    [kinds.outputFolder, file('old.json/x'), /^--file cannot be written: a part of the path is no folder$/],
    [kinds.inputFile, file('none'), /^--file cannot be read: there is no such file or folder$/],
    [kinds.inputFile, file('sub'), /^--file cannot be read: it is a folder$/],
  ];
  for (const [kind, path, message] of wrong) t.throws(() => read(kind, path), { message, exitCode: 2 }, path);
  if (process.getuid?.() !== 0) {
    mkdirSync(file('closed'));
    writeFileSync(file('closed/x'), '');
    chmodSync(file('closed'), 0o500);
    t.throws(() => read(kinds.outputFile, file('closed/y')), { message: /permission denied/, exitCode: 2 });
  }
});
