/** What a call did to memory contents, for the law `isolation`: exactly, or "unknown". */
import { type MmRow, type U64, type Vpn, word } from '../base/index.ts';
import type { CallResult, Kernel, Value } from '../kernel/index.ts';
import type { Effect } from '../laws/index.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { createsTask } from '../scenario/index.ts';

const UNKNOWN: Effect = { kind: 'unknown' };
const NONE: Effect = { kind: 'none' };
const MREMAP_DONTUNMAP = 4;

/** Calls that change neither contents nor where they are. */
const HARMLESS = new Set([
  'mprotect',
  'pkey_mprotect',
  'mlock',
  'mlock2',
  'munlock',
  'mlockall',
  'munlockall',
  'msync',
  'mincore',
  'mseal',
  'prctl',
  'getpid',
  'setrlimit',
  'getrlimit',
  'prlimit64',
]);

/** Calls that have done a part of their work when they fail. */
const PARTIAL = new Set(['madvise', 'process_madvise', 'mremap']);

function asInt(value: Value | undefined): U64 {
  return typeof value === 'object' && 'hi' in value ? (value as U64) : word.ZERO;
}

function pagesOf(length: U64): number {
  return Math.ceil(word.toNumber(length) / 4096);
}

/** Several VMAs move with the gaps between them, and what lies in the gaps' place survives (6.17). */
function isOneVma(kernel: Kernel, mm: MmRow, start: Vpn, pages: number): boolean {
  const { m } = kernel;
  const v = vmaLookup(m, mm, start);
  return v !== 0 && m.vma.end[v]! >= start + pages;
}

export function effectOf(
  kernel: Kernel,
  mm: MmRow,
  name: string,
  values: readonly Value[],
  result: CallResult,
): Effect {
  if (HARMLESS.has(name)) return NONE;
  if ('errno' in result) return PARTIAL.has(name) ? UNKNOWN : NONE;
  if (!('value' in result)) return UNKNOWN;
  if (createsTask(name)) {
    const child = kernel.taskByPid(word.toNumber(result.value));
    const childMm = child === 0 ? 0 : kernel.m.task.mm[child]!;
    return childMm === 0 || childMm === mm ? NONE : { kind: 'forked', parent: mm, child: childMm };
  }
  if (name === 'munmap') {
    const start = word.pageOf(asInt(values[0]));
    return { kind: 'dropped', mm, start, pages: pagesOf(asInt(values[1])) };
  }
  if (name === 'mremap') {
    const from = word.pageOf(asInt(values[0]));
    const pages = pagesOf(asInt(values[1]));
    const plain = (asInt(values[3]).lo & MREMAP_DONTUNMAP) === 0;
    const to = word.pageOf(result.value);
    const same = pages > 0 && pages === pagesOf(asInt(values[2]));
    if (plain && same && isOneVma(kernel, mm, to, pages)) {
      return { kind: 'moved', mm, from, to, pages };
    }
  }
  return UNKNOWN;
}
