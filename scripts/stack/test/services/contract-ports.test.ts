/**
 * Goal: files in the folder that all users share are ours or are not used: no link of another user is
 * followed, nobody's file is removed, and of two users one at most has the known ports. Method: a shared
 * folder with what an attacker, a second user or a killed stack may leave there. Other users are played by
 * root, who may give files away.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ownerOf } from '@seckill/runtime';
import { test } from 'tap';
import { claimContractPorts } from '../../src/services/contract-ports.ts';

const UID = process.getuid?.() ?? 0;
const OTHER_UID = 65_533;
const OWN = `seckill-${UID}`;
const FILE = 'contract-ports.json';
const skip = UID === 0 ? false : 'only root can make files of another user';

const living = JSON.stringify(ownerOf(process.pid));

await test('one stack has the known ports until it releases them', async (t) => {
  const shared = t.testdir({});
  const first = claimContractPorts(shared);
  if (!('release' in first)) throw new Error(first.reason);
  t.equal(lstatSync(join(shared, OWN)).mode & 0o777, 0o755);
  t.match(claimContractPorts(shared), { reason: 'another stack of yours has them' });
  first.release();
  const second = claimContractPorts(shared);
  t.ok('release' in second);
});

await test('a file or link in the place of our folder is neither used nor followed', async (t) => {
  const shared = t.testdir({ victim: { [FILE]: 'precious' }, file: 'precious' });
  const folder = join(shared, OWN);
  const traps: [string, () => void][] = [
    [
      'a link to a folder',
      () => {
        symlinkSync(join(shared, 'victim'), folder);
      },
    ],
    [
      'a link to a file',
      () => {
        symlinkSync(join(shared, 'file'), folder);
      },
    ],
    [
      'a link to nothing',
      () => {
        symlinkSync(join(shared, 'none'), folder);
      },
    ],
    [
      'a file',
      () => {
        writeFileSync(folder, '');
      },
    ],
    [
      'a folder that others may write to',
      () => {
        mkdirSync(folder);
        chmodSync(folder, 0o777);
      },
    ],
  ];
  for (const [what, lay] of traps) {
    lay();
    t.match(claimContractPorts(shared), { reason: /is not used; remove it$/ }, what);
    t.equal(readFileSync(join(shared, 'victim', FILE), 'utf8'), 'precious');
    t.equal(readFileSync(join(shared, 'file'), 'utf8'), 'precious');
    t.notOk(existsSync(join(shared, 'none')), 'nothing is made behind a link');
    execFileSync('rm', ['-rf', folder]);
  }
  t.ok('release' in claimContractPorts(shared), 'a folder of ours does');
});

await test('a second user hears that the first has the ports', { skip }, async (t) => {
  const shared = t.testdir({});
  const folder = join(shared, `seckill-${OTHER_UID}`);
  const file = join(folder, FILE);
  mkdirSync(folder);
  chownSync(folder, OTHER_UID, OTHER_UID);
  writeFileSync(file, living);
  t.match(claimContractPorts(shared), { reason: `a stack of user ${OTHER_UID} has them` });
  t.ok(existsSync(file), 'and leaves its file alone');

  // One claim was left by a stack that was killed, and the other file is no claim at all.
  for (const text of [
    JSON.stringify({ pid: process.pid, started: 'then' }),
    '',
    '{',
    'null',
    'x'.repeat(5_000),
  ]) {
    writeFileSync(file, text);
    const claim = claimContractPorts(shared);
    if (!('release' in claim)) throw new Error(claim.reason);
    claim.release();
  }
  execFileSync('rm', [file]);
  execFileSync('mkfifo', [file]);
  const overPipe = claimContractPorts(shared);
  if (!('release' in overPipe)) throw new Error('a pipe is no claim, and reading it must not hang');
  overPipe.release();
  execFileSync('rm', [file]);
  writeFileSync(join(shared, 'elsewhere'), living);
  symlinkSync(join(shared, 'elsewhere'), file);
  const overLink = claimContractPorts(shared);
  if (!('release' in overLink)) throw new Error('a link is no claim');
  overLink.release();
});

await test(
  "a folder of another user under our name or a third one's is not believed",
  { skip },
  async (t) => {
    const shared = t.testdir({});
    const ours = join(shared, OWN);
    mkdirSync(ours);
    chownSync(ours, OTHER_UID, OTHER_UID);
    t.match(claimContractPorts(shared), { reason: /is a folder of user 65533/ });
    chownSync(ours, UID, UID);
    const third = join(shared, 'seckill-4242');
    mkdirSync(third);
    writeFileSync(join(third, FILE), living);
    chownSync(third, OTHER_UID, OTHER_UID);
    t.ok('release' in claimContractPorts(shared));
  },
);
