/**
 * userfaultfd(2) and its ioctls (fs/userfaultfd.c, 6.18). There is no reader: nobody is told of an
 * event, and a fault that waits is answered by a later step, if at all.
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOTTY,
  EPERM,
  newRow,
  type Row,
  type TaskRow,
  type U64,
  word,
} from '../base/index.ts';
import { CAP_SYS_PTRACE, O_CLOEXEC, O_NONBLOCK } from '../mm/fs_types.ts';
import { pagesAligned, TASK_PAGES, wrapAdd } from '../mm/mman.ts';
import {
  mfillAtomic,
  UFFD_CONTINUE,
  UFFD_COPY,
  UFFD_POISON,
  UFFD_ZEROPAGE,
  uffdRegisterError,
  uffdWriteProtect,
} from '../mm/userfaultfd.ts';
import { capable } from '../mm/util.ts';
import {
  VM_MAYWRITE,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
  VM2_DROPPABLE,
  VM2_UFFD_MINOR,
} from '../mm/vm_flags.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';
import { install, rawFile } from './fd_table.ts';
import { describe, plainInode } from './namespace.ts';
import type { CallTable, KernelState } from './state.ts';
import { type Range, setRange } from './uffd_range.ts';
import { touchRange, userByte } from './user_copy.ts';
import { type Args, field, isStruct, type Outcome, type StructValue } from './values.ts';

const UFFD_USER_MODE_ONLY = 1;
const UFFD_API = 0xaa;
/** UFFD_FEATURE_* of 6.18: bits 0 to 16. */
const FEATURES = 0x1ffff;
const FEATURES_TO_6_3 = 0x1fff;

function isOlder(k: KernelState): boolean {
  return k.m.release.lacks.includes('newer userfaultfd');
}
const FEATURE_EVENT_FORK = 1 << 1;
const FEATURE_WP_UNPOPULATED = 1 << 13;
const FEATURE_WP_ASYNC = 1 << 15;
const STATE_OPEN = 1;
const STATE_READY = 2;

function userfaultfd(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const flags = a.int(0);
  const userMode = (flags & UFFD_USER_MODE_ONLY) !== 0;
  const allowed =
    userMode || capable(m, t, CAP_SYS_PTRACE) || m.settings.unprivilegedUserfaultfd === 1;
  if (k.observed?.errno !== undefined && allowed)
    return { ignored: 'why a userfaultfd was refused' };
  if (!allowed) return -EPERM;
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY)) !== 0) return -EINVAL;
  const context = newRow(m.uffd);
  m.uffd.mm[context] = m.task.mm[t]!;
  m.uffd.refs[context] = 1;
  m.uffd.state[context] = STATE_OPEN;
  m.uffd.userModeOnly[context] = userMode ? 1 : 0;
  const file = describe(
    k,
    plainInode(k, 'anon_inode:[userfaultfd]', false),
    'anon_inode:[userfaultfd]',
    flags & O_NONBLOCK,
  );
  k.special.set(file, { kind: 'uffd', context });
  return install(k, t, file, (flags & O_CLOEXEC) !== 0);
}

/** validate_range(): aligned, not empty, inside the address space; else -EINVAL. */
function range(k: KernelState, start: U64 | undefined, len: U64 | undefined): Range | number {
  if (start === undefined || len === undefined) return -EINVAL;
  if (word.offsetOf(start) !== 0 || word.offsetOf(len) !== 0) return -EINVAL;
  const pages = pagesAligned(len);
  const from = word.pageOf(start);
  if (pages === 0 || pages > TASK_PAGES) return -EINVAL;
  const { release, settings } = k.m;
  const least = release.uffdFromMinAddr ? settings.mmapMinAddr : 0;
  if (from * 4096 < least || from >= TASK_PAGES) return -EINVAL;
  if (pages > TASK_PAGES - from) return -EINVAL;
  return { start: from, end: wrapAdd(from, pages) };
}

function rangeField(k: KernelState, s: StructValue): Range | number {
  const inner = s['range'] ?? s['0'];
  if (!isStruct(inner)) return range(k, field(s, 'start', '0'), field(s, 'len', '1'));
  return range(k, field(inner, 'start', '0'), field(inner, 'len', '1'));
}

function api(k: KernelState, t: TaskRow, u: Row, s: StructValue): Outcome {
  const { m } = k;
  const version = field(s, 'api', '0');
  const wanted = field(s, 'features', '1') ?? word.ZERO;
  let features = wanted.lo;
  if (version === undefined || version.hi !== 0 || version.lo !== UFFD_API) return -EINVAL;
  if ((features & FEATURE_EVENT_FORK) !== 0 && !capable(m, t, CAP_SYS_PTRACE)) return -EPERM;
  if ((features & FEATURE_WP_ASYNC) !== 0) features |= FEATURE_WP_UNPOPULATED;
  const known = isOlder(k) ? FEATURES_TO_6_3 : FEATURES;
  if (wanted.hi !== 0 || (features & ~known) !== 0) return -EINVAL;
  if (m.uffd.state[u] === STATE_READY) return -EINVAL;
  if ((features & (FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED)) !== 0) {
    return { unmodelled: 'userfaultfd features WP_UNPOPULATED and WP_ASYNC' };
  }
  m.uffd.features[u] = features;
  m.uffd.state[u] = STATE_READY;
  return 0;
}

const MODE_MISSING = 1;
const MODE_WP = 2;
const MODE_MINOR = 4;

function register(k: KernelState, u: Row, s: StructValue): Outcome {
  const { m } = k;
  const modes = field(s, 'mode', '1') ?? word.ZERO;
  const known = MODE_MISSING | MODE_WP | MODE_MINOR;
  if (modes.lo === 0 || modes.hi !== 0 || (modes.lo & ~known) !== 0) return -EINVAL;
  const r = rangeField(k, s);
  if (typeof r === 'number') return r;
  const mm = m.uffd.mm[u]!;
  if (m.mm.users[mm] === 0) return -ENOMEM;
  const first = findVmaIntersection(m, mm, r.start, r.end);
  if (first === 0) return -EINVAL;
  const minor = (modes.lo & MODE_MINOR) !== 0;
  for (let v = first; v !== 0 && m.vma.start[v]! < r.end; v = m.vma.next[v]!) {
    if (m.release.uffdRefusesDroppable && (m.vma.flags2[v]! & VM2_DROPPABLE) !== 0) return -EINVAL;
    const mayWrite = (m.vma.flags[v]! & VM_MAYWRITE) !== 0;
    const error = uffdRegisterError(m, v, u, mayWrite, minor);
    if (error !== 0) return error;
  }
  let flags = 0;
  if ((modes.lo & MODE_MISSING) !== 0) flags |= VM_UFFD_MISSING;
  if ((modes.lo & MODE_WP) !== 0) flags |= VM_UFFD_WP;
  return setRange(m, mm, first, r, u, flags, minor ? VM2_UFFD_MINOR : 0);
}

function unregister(k: KernelState, u: Row, s: StructValue): Outcome {
  const { m } = k;
  const r = rangeField(k, s);
  if (typeof r === 'number') return r;
  const mm = m.uffd.mm[u]!;
  const first = findVmaIntersection(m, mm, r.start, r.end);
  if (first === 0) return -EINVAL;
  for (let v = first; v !== 0 && m.vma.start[v]! < r.end; v = m.vma.next[v]!) {
    if (m.release.uffdRefusesDroppable && (m.vma.flags2[v]! & VM2_DROPPABLE) !== 0) return -EINVAL;
    if (m.vma.uffd[v] !== 0 && m.vma.uffd[v] !== u) return -EINVAL;
    const error = uffdRegisterError(m, v, u, true, false);
    if (error !== 0) return error;
  }
  return setRange(m, mm, first, r, 0, 0, 0);
}

/** What mfill_atomic_*() gave as the ioctl's answer: all, part (-EAGAIN), or an error. */
function filled(done: number, pages: number): Outcome {
  if (done < 0) return done;
  return done === pages ? 0 : -EAGAIN;
}

function copy(k: KernelState, t: TaskRow, u: Row, s: StructValue): Outcome {
  const { m } = k;
  const dst = range(k, field(s, 'dst', '0'), field(s, 'len', '2'));
  const src = field(s, 'src', '1');
  const mode = field(s, 'mode', '3')?.lo ?? 0;
  if (typeof dst === 'number') return dst;
  if (src === undefined || (mode & ~3) !== 0) return -EINVAL;
  const pages = dst.end - dst.start;
  // validate_unaligned_range(): the source must not wrap.
  if (word.compare(word.add(src, word.fromNumber(pages * 4096)), src) <= 0) return -EINVAL;
  const wp = (mode & 2) !== 0;
  const mm = m.uffd.mm[u]!;
  const done = mfillAtomic(m, mm, dst.start, pages, UFFD_COPY, wp, (i) => {
    const at = word.add(src, word.fromNumber(i * 4096));
    if (touchRange(m, t, at, 4096, false) < 4096) return -EFAULT;
    // Behind the first byte of a page there are zeros, as far as is known.
    return word.offsetOf(at) === 0 ? userByte(m, t, at) : 0;
  });
  return filled(done, pages);
}

function fill(k: KernelState, u: Row, s: StructValue, what: number, modes: number): Outcome {
  const { m } = k;
  const r = rangeField(k, s);
  if (typeof r === 'number') return r;
  const mode = field(s, 'mode', '1')?.lo ?? 0;
  if ((mode & ~modes) !== 0) return -EINVAL;
  const wp = what === UFFD_CONTINUE && (mode & 2) !== 0;
  const done = mfillAtomic(m, m.uffd.mm[u]!, r.start, r.end - r.start, what, wp, () => 0);
  return filled(done, r.end - r.start);
}

/** mwriteprotect_range(): every VMA of the range must be registered for it. */
function writeProtect(k: KernelState, u: Row, s: StructValue): Outcome {
  const { m } = k;
  const r = rangeField(k, s);
  if (typeof r === 'number') return r;
  const mode = field(s, 'mode', '1')?.lo ?? 0;
  if ((mode & ~3) !== 0 || mode === 3) return -EINVAL;
  const mm = m.uffd.mm[u]!;
  let any = false;
  if (!m.release.uffdWpManyVmas) {
    const first = findVmaIntersection(m, mm, r.start, r.end);
    if (m.vma.start[first]! > r.start || m.vma.end[first]! < r.end) return -ENOENT;
  }
  for (let v = findVmaIntersection(m, mm, r.start, r.end); v !== 0 && m.vma.start[v]! < r.end; ) {
    if ((m.vma.flags[v]! & VM_UFFD_WP) === 0) return -ENOENT;
    const from = Math.max(r.start, m.vma.start[v]!);
    uffdWriteProtect(m, v, from, Math.min(r.end, m.vma.end[v]!), (mode & 1) !== 0);
    any = true;
    v = m.vma.next[v]!;
  }
  return any ? 0 : -ENOENT;
}

/** Nobody waits for long here: there is no reader. */
function wake(k: KernelState, s: StructValue): Outcome {
  const r = rangeField(k, s);
  return typeof r === 'number' ? r : 0;
}

const UFFD_TYPE = 0xaa;

/** ioctl(2): the userfaultfd ones; others are not about memory. */
function ioctl(k: KernelState, t: TaskRow, a: Args): Outcome {
  const file = rawFile(k, t, a.int(0));
  const cmd = a.u64(1).lo;
  const special = k.special.get(file);
  if (special?.kind !== 'uffd') {
    if (k.observed === undefined && file === 0) return -EBADF;
    if (k.observed === undefined && ((cmd >>> 8) & 0xff) === UFFD_TYPE) return -ENOTTY;
    return { ignored: 'device controls are not part of memory' };
  }
  if (((cmd >>> 8) & 0xff) !== UFFD_TYPE) return -EINVAL;
  const u = special.context;
  const s = a.struct(2);
  if (s === undefined) return { unmodelled: 'a userfaultfd ioctl with its argument in memory' };
  const number = cmd & 0xff;
  if (number !== 0x3f && k.m.uffd.state[u] !== STATE_READY) return -EINVAL;
  switch (number) {
    case 0x3f:
      return api(k, t, u, s);
    case 0x00:
      return register(k, u, s);
    case 0x01:
      return unregister(k, u, s);
    case 0x02:
      return wake(k, s);
    case 0x03:
      return copy(k, t, u, s);
    case 0x04:
      return fill(k, u, s, UFFD_ZEROPAGE, 1);
    case 0x05:
      return isOlder(k) ? -EINVAL : { unmodelled: 'UFFDIO_MOVE' };
    case 0x06:
      return writeProtect(k, u, s);
    case 0x07:
      return fill(k, u, s, UFFD_CONTINUE, isOlder(k) ? 1 : 3);
    case 0x08:
      if (isOlder(k)) return -EINVAL;
      return fill(k, u, s, UFFD_POISON, 1);
  }
  return -EINVAL;
}

export const UFFD_CALLS: CallTable = {
  userfaultfd: ['u', userfaultfd],
  ioctl: ['uu|a', ioctl],
};
