/**
 * /proc/PID/{status,statm} as far as memory goes: fs/proc/array.c
 * proc_pid_status(), fs/proc/task_mmu.c task_mem(), task_statm(), 6.18.
 *
 * Lines of `status` that have nothing to do with memory are printed with the values that a plain
 * process has, so that a reader finds every field where the kernel puts it.
 */
import { alignUp, type MmRow, PAGE_SIZE, type TaskRow } from '../base/index.ts';
import { CAP_ALL } from './fs_types.ts';
import { THP_DISABLE_COMPLETELY } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';

function kb(pages: number): string {
  return String(pages * 4).padStart(8);
}

function bytesKb(bytes: number): string {
  return String(Math.floor(bytes / 1024)).padStart(8);
}

/** Resident pages of all types. */
export function residentPages(m: Machine, mm: MmRow): number {
  return m.mm.rssAnon[mm]! + m.mm.rssFile[mm]! + m.mm.rssShmem[mm]!;
}

function textBytes(m: Machine, mm: MmRow): number {
  const { startCode, endCode } = m.mm;
  const start = startCode[mm]!;
  return alignUp(endCode[mm]!, PAGE_SIZE) - (start - (start % PAGE_SIZE));
}

/** The Vm* and Rss* lines. Source: fs/proc/task_mmu.c task_mem(), 6.18. */
export function taskMem(m: Machine, mm: MmRow): string {
  const c = m.mm;
  const rss = residentPages(m, mm);
  const text = Math.min(textBytes(m, mm), c.execVm[mm]! * PAGE_SIZE);
  const lib = c.execVm[mm]! * PAGE_SIZE - text;
  return (
    `VmPeak:\t${kb(Math.max(c.vmPeak[mm]!, c.totalVm[mm]!))} kB\n` +
    `VmSize:\t${kb(c.totalVm[mm]!)} kB\n` +
    `VmLck:\t${kb(c.lockedVm[mm]!)} kB\n` +
    `VmPin:\t${kb(0)} kB\n` +
    `VmHWM:\t${kb(Math.max(c.rssPeak[mm]!, rss))} kB\n` +
    `VmRSS:\t${kb(rss)} kB\n` +
    `RssAnon:\t${kb(c.rssAnon[mm]!)} kB\n` +
    `RssFile:\t${kb(c.rssFile[mm]!)} kB\n` +
    `RssShmem:\t${kb(c.rssShmem[mm]!)} kB\n` +
    `VmData:\t${kb(c.dataVm[mm]!)} kB\n` +
    `VmStk:\t${kb(c.stackVm[mm]!)} kB\n` +
    `VmExe:\t${bytesKb(text)} kB\n` +
    `VmLib:\t${bytesKb(lib)} kB\n` +
    `VmPTE:\t${kb(c.tables[mm]!)} kB\n` +
    `VmSwap:\t${kb(c.swapEntries[mm]!)} kB\n` +
    `HugetlbPages:\t${kb(0)} kB\n`
  );
}

/** What the room above knows of a process and the tables of the machine do not. */
export interface StatusExtras {
  readonly fdSize: number;
}

/** /proc/PID/status. A zombie, whose mm is gone, has no memory lines. */
export function statusText(m: Machine, t: TaskRow, extras: StatusExtras): string {
  const { pid, tgid, mm, sig, uid, euid, caps, comm } = m.task;
  const s = sig[t]!;
  const zombie = m.sig.zombie[s] !== 0 && m.task.alive[t] === 0;
  const uids = `${uid[t]}\t${euid[t]}\t${euid[t]}\t${euid[t]}`;
  // All 41 capabilities of a root process, or those that are modelled at their kernel bits.
  const cap = caps[t] === CAP_ALL ? '000001ffffffffff' : '0000000000000000';
  const zero = '0000000000000000';
  const memory = mm[t] === 0 ? '' : taskMem(m, mm[t]!);
  const thp =
    mm[t] === 0
      ? ''
      : `THP_enabled:\t${m.mm.thpDisable[mm[t]!] === THP_DISABLE_COMPLETELY ? 0 : 1}\n`;
  return (
    `Name:\t${m.names[comm[t]!]}\n` +
    'Umask:\t0022\n' +
    `State:\t${zombie ? 'Z (zombie)' : 'R (running)'}\n` +
    `Tgid:\t${tgid[t]}\nNgid:\t0\nPid:\t${pid[t]}\nPPid:\t${m.sig.parent[s]}\nTracerPid:\t0\n` +
    `Uid:\t${uids}\nGid:\t0\t0\t0\t0\nFDSize:\t${extras.fdSize}\nGroups:\t \n` +
    `NStgid:\t${tgid[t]}\nNSpid:\t${pid[t]}\nNSpgid:\t${tgid[t]}\nNSsid:\t${tgid[t]}\nKthread:\t0\n` +
    memory +
    (mm[t] === 0 ? '' : `CoreDumping:\t0\n${thp}untag_mask:\t0xffffffffffffffff\n`) +
    `Threads:\t${Math.max(1, m.sig.threads[s]!)}\nSigQ:\t0/96365\n` +
    `SigPnd:\t${zero}\nShdPnd:\t${zero}\nSigBlk:\t${zero}\nSigIgn:\t${zero}\nSigCgt:\t${zero}\n` +
    `CapInh:\t${zero}\nCapPrm:\t${cap}\nCapEff:\t${cap}\nCapBnd:\t000001ffffffffff\n` +
    `CapAmb:\t${zero}\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n` +
    'Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n' +
    'Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t00000001\nMems_allowed_list:\t0\n' +
    'voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n'
  );
}

/** /proc/PID/statm: size resident shared text lib data dt, in pages. */
export function statmText(m: Machine, mm: MmRow): string {
  if (mm === 0) return '0 0 0 0 0 0 0\n';
  const c = m.mm;
  const shared = c.rssFile[mm]! + c.rssShmem[mm]!;
  const text = textBytes(m, mm) / PAGE_SIZE;
  const data = c.dataVm[mm]! + c.stackVm[mm]!;
  return `${c.totalVm[mm]} ${residentPages(m, mm)} ${shared} ${text} 0 ${data} 0\n`;
}
