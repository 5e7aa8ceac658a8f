import { burst } from './load/burst.ts';
import { duplicateKeys } from './load/duplicate-keys.ts';
import { hotUser } from './load/hot-user.ts';
import { intake } from './load/intake.ts';
import type { LoadScenario } from './load/load.ts';
import { mangoes1000 } from './mangoes-1000.ts';
import { mixed } from './load/mixed.ts';
import { oranges2000 } from './oranges-2000.ts';
import { read, readUnchanged } from './load/read.ts';
import { reserve } from './load/reserve.ts';
import { settleStorm } from './load/settle-storm.ts';
import { soak } from './load/soak.ts';
import { soldOut } from './load/sold-out.ts';
import { windowScenario } from './window.ts';

export const LOAD_SCENARIOS: readonly LoadScenario[] = [
  reserve,
  soldOut,
  read,
  readUnchanged,
  windowScenario(oranges2000, {
    name: 'oranges-2000',
    summary: '2,000 units, ten minutes compressed by --factor (20), 10 buyers per unit (open model)',
    factor: 20,
    crowding: 10,
    earlyShare: 0.5,
  }),
  windowScenario(mangoes1000, {
    name: 'mangoes-1000',
    summary:
      '1,000 units of two SKUs, a spike of three minutes compressed by --factor (9), 10 buyers per unit',
    factor: 9,
    crowding: 10,
    earlyShare: 0.8,
  }),
  burst,
  hotUser,
  duplicateKeys,
  intake,
  settleStorm,
  mixed,
  soak,
];
