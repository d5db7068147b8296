/** Births, images and deaths of the recorded processes. */
import { mmapBase } from '../arch/index.ts';
import { type FileRow, PAGE_SIZE, type Vpn } from '../base/index.ts';
import { disown } from '../kernel/exit.ts';
import type { Layout, LayoutVma } from '../kernel/index.ts';
import { clone } from '../kernel/process.ts';
import { THP_DISABLE_COMPLETELY } from '../mm/huge_memory.ts';
import { MAP_GROWSDOWN, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../mm/mman.ts';
import {
  OPS_FILE,
  OPS_NONE,
  OPS_SHM,
  OPS_SHMEM,
  OPS_SHMEM_ANON,
  OPS_SPECIAL,
  OPS_UNKNOWN,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { OP_MAP } from '../trace/index.ts';
import { AddressMap } from './address_map.ts';
import type { Process, Replay } from './state.ts';

const CLONE_VM = 0x100;
const SIGCHLD = 17;
/** Before the first mapping is known: the stack of a 64-bit process ends here at the highest. */
const STACK_TOP: Vpn = 0x7ffffffff;

const NO_LAYOUT: Layout = {
  mmapTopVpn: mmapBase(8 * 1024 * 1024),
  brkStart: 0,
  stackTopVpn: STACK_TOP,
  vmas: [],
};

function settle(r: Replay, process: Process): void {
  if (r.thpDisabled) r.m.mm.thpDisable[r.m.task.mm[process.task]!] = THP_DISABLE_COMPLETELY;
}

function enter(r: Replay, pid: number, task: number, addresses: AddressMap): Process {
  const process: Process = {
    pid,
    task,
    addresses,
    image: 0,
    execed: false,
    minflt: 0,
    majflt: 0,
    peak: 0,
    kernelVpn: -1,
  };
  r.processes.set(pid, process);
  return process;
}

/** The process of an event; one whose birth was not recorded is there with nothing mapped. */
export function processOf(r: Replay, pid: number): Process {
  const known = r.processes.get(pid);
  if (known !== undefined) return known;
  const task = r.kernel.spawn({ pid, layout: NO_LAYOUT });
  const process = enter(r, pid, task, new AddressMap());
  settle(r, process);
  return process;
}

/** FORK. With CLONE_VM the child uses its parent's memory until it executes a program. */
export function fork(r: Replay, parent: Process, pid: number, flags: number): void {
  const stale = r.processes.get(pid);
  if (stale !== undefined) exit(r, stale, 0);
  const shares = flags !== -1 && (flags & CLONE_VM) !== 0;
  const task = clone(r.k, parent.task, { flags: SIGCHLD | (shares ? CLONE_VM : 0), pid });
  if (task < 0) {
    r.trouble('fork-refused');
    return;
  }
  // Nobody waits for a process in a trace: init does.
  disown(r.k, r.m.task.sig[task]!);
  const addresses = shares ? parent.addresses : parent.addresses.copy();
  const child = enter(r, pid, task, addresses);
  child.image = parent.image;
  child.execed = parent.execed;
}

/** EXIT. */
export function exit(r: Replay, process: Process, row: number): void {
  r.peaks.note(r, process, row);
  r.processes.delete(process.pid);
  r.ended.push(process);
  r.kernel.kill(process.task, 0);
}

const MAY_ALL = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

/** One MAP row as a mapping of an image, or of a process that was attached to. */
export function mappingOf(r: Replay, row: number): LayoutVma {
  const e = r.events;
  const name = e.name[row]!;
  const text = r.trace.names[name] ?? '';
  const prot = e.arg[row]!;
  const shared = (e.arg2[row]! & MAP_SHARED) !== 0;
  let flags =
    ((prot & PROT_READ) !== 0 ? VM_READ : 0) |
    ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) |
    ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0) |
    MAY_ALL;
  if (shared) flags |= VM_SHARED | VM_MAYSHARE;
  else if ((prot & PROT_WRITE) !== 0) flags |= VM_ACCOUNT;
  if ((e.arg2[row]! & MAP_GROWSDOWN) !== 0) flags |= VM_GROWSDOWN;
  const start = e.vpn[row]!;
  const end = start + Math.ceil(e.length[row]! / PAGE_SIZE);
  const { ops, file } = backing(r, name, text);
  const base = { start, end, flags, ops };
  return file === 0 ? base : { ...base, file, pgoff: e.pgoff[row]! };
}

function backing(r: Replay, name: number, text: string): { ops: number; file: FileRow } {
  if (name === 0 || text === '[heap]' || text.startsWith('[stack'))
    return { ops: OPS_NONE, file: 0 };
  if (text.startsWith('[anon')) return { ops: OPS_NONE, file: 0 };
  if (text.startsWith('[')) return { ops: OPS_SPECIAL, file: 0 };
  switch (r.files.kind(name)) {
    case 'file':
    case 'unknown':
      return { ops: OPS_FILE, file: r.files.open(name) };
    case 'tmpfs':
      return { ops: OPS_SHMEM, file: r.files.open(name) };
    case 'sysv':
      return { ops: OPS_SHM, file: r.files.open(name) };
    case 'memfd':
    case 'shared-anon':
      return { ops: OPS_SHMEM_ANON, file: r.files.open(name) };
    default:
      return { ops: OPS_UNKNOWN, file: 0 };
  }
}

/**
 * EXEC at `row`, and the MAP rows behind it: the new image. The top of the mmap area is where the
 * highest mapping below the stack ends (ld.so, or the vdso where it lies there).
 */
export function exec(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const vmas: LayoutVma[] = [];
  let brkStart = 0;
  let stackTop = STACK_TOP;
  let stackStart = STACK_TOP;
  for (let i = row + 1; i < e.rows && e.op[i] === OP_MAP && e.pid[i] === process.pid; i++) {
    const vma = mappingOf(r, i);
    if (r.trace.names[e.name[i]!] === '[heap]') {
      brkStart = vma.start * PAGE_SIZE;
    }
    if ((vma.flags & VM_GROWSDOWN) !== 0) {
      stackTop = vma.end;
      stackStart = vma.start;
    }
    vmas.push(vma);
  }
  let top = 0;
  for (const { start, end } of vmas) if (start < stackStart && end > top) top = end;
  const mmapTopVpn = top === 0 ? NO_LAYOUT.mmapTopVpn : top;
  r.peaks.note(r, process, row);
  const path = r.trace.names[e.name[row]!] ?? '';
  r.kernel.exec(process.task, path, { mmapTopVpn, brkStart, stackTopVpn: stackTop, vmas });
  // A vfork()ed child leaves its parent's view behind.
  process.addresses = new AddressMap();
  process.image = e.name[row]!;
  process.execed = true;
  settle(r, process);
}
