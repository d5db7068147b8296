/** A process that was attached to: its mappings and populated pages, as they were found. */
import { PAGE_SIZE } from '../base/index.ts';
import { addToHoles } from '../kernel/index.ts';
import { ACCESS_READ, ACCESS_WRITE, access, frameAt, vmaForAccess } from '../mm/memory.ts';
import { PG_WRITTEN } from '../mm/page_flags.ts';
import { OPS_FILE } from '../mm/vm_flags.ts';
import { PRESENT_ANON, PRESENT_SWAPPED, PRESENT_WRITABLE } from '../trace/index.ts';
import { fillCache } from './file_book.ts';
import { mappingOf } from './processes.ts';
import type { Process, Replay } from './state.ts';

/**
 * MAP outside of an exec, or the rows of an exec, which has placed them already: what is mapped
 * stays.
 */
export function attachMapping(r: Replay, process: Process, row: number): void {
  const { m } = r;
  const mm = m.task.mm[process.task]!;
  const vma = mappingOf(r, row);
  const name = r.trace.names[r.events.name[row]!] ?? '';
  // The lowest file is the program.
  if (process.image === 0 && name.startsWith('/')) process.image = r.events.name[row]!;
  if (name === '[heap]' && m.mm.brkStart[mm] === 0) {
    m.mm.brkStart[mm] = vma.start * PAGE_SIZE;
    m.mm.brk[mm] = vma.end * PAGE_SIZE;
  } else if (name === '[heap]' && m.mm.brk[mm]! < vma.end * PAGE_SIZE) {
    m.mm.brk[mm] = vma.end * PAGE_SIZE;
  }
  addToHoles(m, mm, vma);
}

/** PRESENT: the pages come as they would have by accesses, and no fault is counted. */
export function makePresent(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const { m } = r;
  const { task } = process;
  const how = e.arg[row]!;
  if ((how & PRESENT_SWAPPED) !== 0) return;
  const write = (how & PRESENT_ANON) !== 0 || (how & PRESENT_WRITABLE) !== 0;
  const { minflt, majflt } = m.task;
  const before = minflt[task]!;
  const beforeMajor = majflt[task]!;
  const end = e.vpn[row]! + Math.ceil(e.length[row]! / PAGE_SIZE);
  for (let at = e.vpn[row]!; at < end; at++) {
    const v = vmaForAccess(m, task, at);
    if (v === 0) continue;
    if (m.vma.ops[v] === OPS_FILE) fillCache(m, v, at);
    if (access(m, task, at, write ? ACCESS_WRITE : ACCESS_READ) !== 0) continue;
    const pfn = frameAt(m, m.task.mm[task]!, at);
    m.page.flags[pfn] = m.page.flags[pfn]! | PG_WRITTEN;
  }
  m.task.minflt[task] = before;
  m.task.majflt[task] = beforeMajor;
  m.unmodelled = '';
}
