/** `npm run sale -- apply FILE`: a sale as a file. */
import { ListedState, Reason } from '@seckill/contracts';
import {
  CommandError,
  fitting,
  flag,
  formatTable,
  oneOf,
  origin,
  print,
  runCommand,
  stackName,
  UsageError,
  wholeNumber,
  words,
  type Values,
} from '@seckill/runtime';
import { readStack } from '../info.ts';
import { applySale, tellDifferences } from '../sale/apply.ts';
import { Gateway } from '../sale/gateway.ts';
import { readSaleFile } from '../sale/sale-text.ts';
import { toSaleFile, toYaml } from '../sale/show.ts';
import { signToken } from '../services/jwt.ts';

const HELP = `A sale as a YAML or JSON file.

  npm run --silent sale -- apply FILE [--dry-run] [--lower] [--reason TEXT]
  npm run --silent sale -- diff FILE
  npm run --silent sale -- get SALE [--json]
  npm run --silent sale -- list [--state STATE] [--limit N] [--cursor C]

  apply          creates the sale, or changes it until it is as the file says; again it changes nothing. What the file
                 leaves out stays. What cannot be changed any more is told with its line, and nothing is done then
  diff           tells what apply would change, and changes nothing
  get            prints the sale as such a file
  --dry-run      apply: tells what would be done
  --lower        apply: a total may be lowered, by what nobody holds or has paid; without it that is refused
  --reason TEXT  apply: kept in the trail of changes, 1 to 200 characters
  --json         get: as JSON
  --state STATE  list: open, scheduled, paused or closed
  --limit N      list: so many, 1 to 100 (default: 20); the cursor of the next page is told
  --cursor C     list: the page behind this cursor
  --url URL      a gateway; an operator's token stands in the variable SECKILL_TOKEN then, because others on the
                 machine can read a command line
  --name NAME    a running stack, without --url (default: default; --stack is the same)
  --help         this text

Exit code: 0 it is so, 1 it differs (diff) or failed, 2 wrong usage or a file that is no sale.`;

const OPTIONS = {
  'dry-run': flag,
  lower: flag,
  reason: fitting(Reason, '1 to 200 characters of one line'),
  json: flag,
  state: oneOf(['open', 'scheduled', 'paused', 'closed'] satisfies ListedState[]),
  limit: wholeNumber(1, 100),
  cursor: words,
  url: origin('http', 'https'),
  name: stackName,
};
type Given = Values<typeof OPTIONS>;

const ALLOWED: Record<string, (keyof Given)[]> = {
  apply: ['dry-run', 'lower', 'reason'],
  diff: [],
  get: ['json'],
  list: ['state', 'limit', 'cursor'],
};

async function connect({ url, name }: Given): Promise<Gateway> {
  if (url !== undefined && name !== undefined) throw new UsageError('either --url or --name');
  if (url === undefined) {
    const { gateway, jwtSecret } = readStack(name ?? 'default');
    return new Gateway(gateway, await signToken(jwtSecret, { userId: 'operator', isOperator: true }));
  }
  const token = process.env['SECKILL_TOKEN'] ?? '';
  if (token === '') throw new UsageError("with --url the variable SECKILL_TOKEN holds an operator's token");
  return new Gateway(url, token);
}

/** A file that cannot be read is a mistake in the command line. */
function readFile(file: string) {
  try {
    return readSaleFile(file);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new UsageError(`${file}: cannot be read`, error);
  }
}

async function get(gateway: Gateway, saleId: string, isJson: boolean): Promise<void> {
  const sale = await gateway.read(saleId);
  if (sale === undefined) throw new CommandError(`there is no sale ${saleId}`);
  print(isJson ? JSON.stringify(toSaleFile(sale), null, 2) : toYaml(sale).trimEnd());
}

async function list(gateway: Gateway, { state, limit = 20, cursor }: Given): Promise<void> {
  const { data, nextCursor } = await gateway.list({
    limit: String(limit),
    ...(state === undefined ? {} : { state }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  const rows = data.map((sale) => {
    const title = typeof sale.title === 'string' ? sale.title : sale.title.zh;
    return [sale.id, sale.state, sale.opensAt, sale.closesAt, String(sale.version), title];
  });
  print(formatTable([['id', 'state', 'opens', 'closes', 'version', 'title'], ...rows]));
  if (nextCursor !== undefined) print(`more: --cursor ${nextCursor}`);
}

async function main(values: Given, [verb = '', what, ...rest]: string[]): Promise<number> {
  const allowed = ALLOWED[verb];
  if (allowed === undefined) throw new UsageError('say apply, diff, get or list');
  const other = Object.keys(values).find((name) => !['url', 'name', ...allowed].includes(name));
  if (other !== undefined) throw new UsageError(`--${other} is not for ${verb}`);
  if (rest.length > 0) throw new UsageError(`"${rest[0] ?? ''}" is a word too many`);
  if (verb === 'list') {
    if (what !== undefined) throw new UsageError(`"${what}" is a word too many`);
    await list(await connect(values), values);
    return 0;
  }
  if (what === undefined) throw new UsageError(`${verb} wants ${verb === 'get' ? 'a sale' : 'a file'}`);
  if (verb === 'get') {
    await get(await connect(values), what, values.json === true);
    return 0;
  }
  const text = readFile(what);
  const gateway = await connect(values);
  if (verb === 'diff') return (await tellDifferences(gateway, text)) ? 1 : 0;
  const { 'dry-run': isDryRun = false, lower: mayLower = false, reason } = values;
  await applySale(gateway, text, { isDryRun, mayLower, reason });
  return 0;
}

await runCommand({ help: HELP, options: OPTIONS, wordsMax: 3 }, main);
