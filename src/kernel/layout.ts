/**
 * The address space that execve(2) leaves (fs/binfmt_elf.c, arch/x86/mm/mmap.c, 6.18), without
 * address randomisation: a small program that is linked statically, so that nothing but it, the
 * vdso and the stack is there.
 */

import { mmapBase, TASK_PAGES } from '../arch/index.ts';
import {
  type FileRow,
  type MmRow,
  newRow,
  PAGE_SIZE,
  type TaskRow,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { fileGet } from '../mm/file.ts';
import { internName, type Machine } from '../mm/mm_types.ts';
import { vmAcctMemory, vmStatAccount } from '../mm/util.ts';
import {
  OPS_FILE,
  OPS_NONE,
  OPS_SPECIAL,
  OPS_UNKNOWN,
  VM_ACCOUNT,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_IO,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_PFNMAP,
  VM_READ,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { insertVma } from '../mm/vma.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';

/** One mapping of an image. */
export interface LayoutVma {
  readonly start: Vpn;
  readonly end: Vpn;
  readonly flags: number;
  readonly ops?: number;
  /** Description that it maps; 0 or absent for none. */
  readonly file?: FileRow;
  readonly pgoff?: number;
  readonly name?: string;
}

export interface Layout {
  readonly mmapTopVpn: Vpn;
  readonly legacy?: boolean;
  /** Bytes. */
  readonly brkStart: number;
  readonly stackTopVpn: Vpn;
  readonly vmas: readonly LayoutVma[];
  readonly startCode?: number;
  readonly endCode?: number;
  readonly startData?: number;
  readonly endData?: number;
}

export const DEFAULT_STACK_TOP: Vpn = TASK_PAGES;
const STACK_PAGES = 33;

const MAY_ALL = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

/** vvar, vvar_vclock and vdso below `top`; the page where they begin. */
function vdso(top: Vpn): LayoutVma[] {
  const data = VM_READ | VM_MAYREAD | VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP;
  const text = VM_READ | VM_EXEC | MAY_ALL | VM_DONTEXPAND;
  return [
    { start: top - 8, end: top - 4, flags: data, ops: OPS_SPECIAL, name: '[vvar]' },
    { start: top - 4, end: top - 2, flags: data, ops: OPS_SPECIAL, name: '[vvar_vclock]' },
    { start: top - 2, end: top, flags: text, ops: OPS_SPECIAL, name: '[vdso]' },
  ];
}

function stackVma(top: Vpn): LayoutVma {
  const flags = VM_READ | VM_WRITE | MAY_ALL | VM_GROWSDOWN | VM_ACCOUNT;
  return { start: top - STACK_PAGES, end: top, flags };
}

const IMAGE = 0x555555554;

/** One page of text, one of data that the file backs, brk behind them. */
export function staticLayout(stackLimit: number, image: FileRow): Layout {
  const top = mmapBase(stackLimit);
  const text = VM_READ | VM_EXEC | MAY_ALL;
  const data = VM_READ | VM_WRITE | MAY_ALL | VM_ACCOUNT;
  return {
    mmapTopVpn: top,
    brkStart: (IMAGE + 2) * PAGE_SIZE,
    stackTopVpn: DEFAULT_STACK_TOP,
    startCode: IMAGE * PAGE_SIZE,
    endCode: (IMAGE + 1) * PAGE_SIZE,
    startData: (IMAGE + 1) * PAGE_SIZE,
    endData: (IMAGE + 2) * PAGE_SIZE,
    vmas: [
      { start: IMAGE, end: IMAGE + 1, flags: text, ops: OPS_FILE, file: image, pgoff: 0 },
      { start: IMAGE + 1, end: IMAGE + 2, flags: data, ops: OPS_FILE, file: image, pgoff: 1 },
      ...vdso(top),
      stackVma(DEFAULT_STACK_TOP),
    ],
  };
}

/**
 * The address space behind an execve that a log shows: only that it is there. Its top, its brk and
 * its mappings are learned from the first results.
 */
export function unknownLayout(): Layout {
  return {
    mmapTopVpn: mmapBase(8 * 1024 * 1024),
    brkStart: 0,
    stackTopVpn: DEFAULT_STACK_TOP,
    vmas: [],
  };
}

/** Adds one mapping as exec does: accounted, not faulted. */
export function addMapping(m: Machine, mm: MmRow, x: LayoutVma): VmaRow {
  const v = newRow(m.vma);
  const c = m.vma;
  const file = x.file ?? 0;
  c.mm[v] = mm;
  c.start[v] = x.start;
  c.end[v] = x.end;
  c.flags[v] = x.flags;
  c.ops[v] = x.ops ?? OPS_NONE;
  c.file[v] = file;
  c.pgoff[v] = x.pgoff ?? x.start;
  if (x.name !== undefined) c.name[v] = internName(m, x.name);
  if (file !== 0) fileGet(m, file);
  insertVma(m, v);
  vmStatAccount(m, mm, x.flags, x.end - x.start);
  if ((x.flags & VM_ACCOUNT) !== 0) vmAcctMemory(m, x.end - x.start);
  return v;
}

/** Adds the parts of a mapping where nothing is mapped yet. */
export function addToHoles(m: Machine, mm: MmRow, x: LayoutVma): void {
  for (let at = x.start; at < x.end; ) {
    const next = findVmaIntersection(m, mm, at, x.end);
    const stop = next === 0 ? x.end : m.vma.start[next]!;
    if (stop > at) {
      const pgoff = x.pgoff === undefined ? at : x.pgoff + (at - x.start);
      addMapping(m, mm, { ...x, start: at, end: stop, pgoff });
    }
    at = next === 0 ? x.end : m.vma.end[next]!;
  }
}

/** A mapping that a log shows to be there: what serves it is not known. */
export function unknownMapping(start: Vpn, end: Vpn, flags: number): LayoutVma {
  return { start, end, flags: flags | MAY_ALL, ops: OPS_UNKNOWN };
}

/** An address space with one user, as the layout says. */
export function newMm(m: Machine, layout: Layout): MmRow {
  const mm = newRow(m.mm);
  const c = m.mm;
  c.users[mm] = 1;
  c.lastRegion[mm] = -1;
  c.mmapBase[mm] = layout.mmapTopVpn;
  c.legacyLayout[mm] = layout.legacy === true ? 1 : 0;
  c.brkStart[mm] = layout.brkStart;
  c.brk[mm] = layout.brkStart;
  c.startCode[mm] = layout.startCode ?? 0;
  c.endCode[mm] = layout.endCode ?? 0;
  c.startData[mm] = layout.startData ?? 0;
  c.endData[mm] = layout.endData ?? 0;
  c.startStack[mm] = layout.stackTopVpn * PAGE_SIZE - 16;
  for (const x of layout.vmas) addMapping(m, mm, x);
  return mm;
}

/** Replaces the address space of `task`; the old one is the caller's to drop. */
export function takeMm(m: Machine, task: TaskRow, mm: MmRow): void {
  m.task.mm[task] = mm;
}
