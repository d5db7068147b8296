/** prctl(PR_SET_THP_DISABLE) of the recorded program; the recorder's own is no part of it. */
import {
  THP_DISABLE_COMPLETELY,
  THP_DISABLE_EXCEPT_ADVISED,
  THP_DISABLE_NONE,
} from '../mm/huge_memory.ts';
import type { Process, Replay } from './state.ts';

const PR_SET_THP_DISABLE = 41;
/** 6.18: the third argument. The trace keeps the second only. */
const EXCEPT_ADVISED = 2;

export function prctl(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.arg[row] !== PR_SET_THP_DISABLE || e.result[row]! < 0) return;
  if (!process.execed || r.thpDisabled) return;
  const value = e.arg2[row]!;
  const { thpDisable } = r.m.mm;
  thpDisable[r.m.task.mm[process.task]!] =
    value === 0
      ? THP_DISABLE_NONE
      : value === EXCEPT_ADVISED
        ? THP_DISABLE_EXCEPT_ADVISED
        : THP_DISABLE_COMPLETELY;
}
