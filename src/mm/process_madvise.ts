/** process_madvise(2): advice about ranges of another process, or of one's own. Source: mm/madvise.c, 6.18. */
import {
  EFAULT,
  EINVAL,
  EPERM,
  type Errno,
  type MmRow,
  PAGE_SIZE,
  type TaskRow,
  type U64,
  word,
} from '../base/index.ts';
import { CAP_SYS_NICE } from './fs_types.ts';
import { doMadvise } from './madvise.ts';
import type { Machine } from './mm_types.ts';
import { MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED, TASK_PAGES } from './mman.ts';
import { capable } from './util.ts';

export interface Iovec {
  readonly addr: U64;
  readonly len: U64;
}

/** MAX_RW_COUNT: more than this is cut off. */
const MAX_RW_COUNT = 0x7ffff000;
const REMOTE = new Set([MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE]);

/** import_iovec(): the ranges with exact lengths, or an errno. */
export function importIovec(iov: readonly Iovec[]): { addr: U64; bytes: number }[] | Errno {
  const ranges: { addr: U64; bytes: number }[] = [];
  let left = MAX_RW_COUNT;
  for (const { addr, len } of iov) {
    if (word.toSigned(len) < 0) return -EINVAL;
    const bytes = Math.min(word.toNumber(len), left);
    const first = word.pageOf(addr);
    if (first + Math.ceil(bytes / PAGE_SIZE) > TASK_PAGES) return -EFAULT;
    left -= bytes;
    ranges.push({ addr, bytes });
  }
  return ranges;
}

/** What is refused before it is looked whether the memory may be accessed at all. */
export function refusedAtOnce(m: Machine, advice: number): boolean {
  return !m.release.selfTakesAnyAdvice && !REMOTE.has(advice);
}

/**
 * process_madvise(2) once the pidfd is resolved: bytes advised, or -errno when not one range was.
 * Source: mm/madvise.c process_madvise(), vector_madvise(), 6.18.
 */
export function sysProcessMadvise(
  m: Machine,
  task: TaskRow,
  mm: MmRow,
  iov: readonly Iovec[],
  advice: number,
  flags: number,
): number {
  if (flags !== 0) return -EINVAL;
  const ranges = importIovec(iov);
  if (typeof ranges === 'number') return ranges;
  if (mm !== m.task.mm[task]) {
    if (!REMOTE.has(advice)) return -EINVAL;
    if (!capable(m, task, CAP_SYS_NICE)) return -EPERM;
  } else if (!m.release.selfTakesAnyAdvice && !capable(m, task, CAP_SYS_NICE)) return -EPERM;
  let done = 0;
  for (const { addr, bytes } of ranges) {
    const error = doMadvise(m, task, mm, addr, word.fromNumber(bytes), advice);
    if (error < 0) return done !== 0 ? done : error;
    done += bytes;
  }
  return done;
}
