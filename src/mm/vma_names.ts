/**
 * What /proc/PID/maps says of a mapping: the header line and the name (fs/proc/task_mmu.c
 * show_map_vma(), get_vma_name(), 6.18).
 */
import { type InodeRow, type MmRow, PAGE_SIZE, type VmaRow, word } from '../base/index.ts';
import { FS_DISK, FS_OPAQUE, FS_SECRET, FS_ZERO } from './fs_types.ts';
import type { Machine } from './mm_types.ts';
import { VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE } from './vm_flags.ts';

/** Column at which names stand: 25 + 6 * sizeof(void *) - 1, and the space that seq_pad adds. */
const NAME_COLUMN = 73;

/**
 * major:minor of an inode's file system. Anonymous superblocks are 00:row, where the internal mount
 * of shmem is 00:01 as on every kernel; the disk is 08:01; /dev is 00:06.
 */
function device(m: Machine, inode: InodeRow): string {
  const { kind, sb } = m.inode;
  switch (kind[inode]) {
    case FS_DISK:
    case FS_OPAQUE:
      return '08:01';
    case FS_ZERO:
      return '00:06';
    case FS_SECRET:
      return '00:0e';
  }
  if (sb[inode] === m.shmMount) return '00:01';
  return '00:' + (0x17 + sb[inode]!).toString(16).padStart(2, '0');
}

function hex8(vpn: number): string {
  return word.toHex(word.fromPage(vpn)).slice(2).padStart(8, '0');
}

/** What stands behind a path whose name is gone. */
export const DELETED = ' (deleted)';

/** "[heap]", a path, or ''. */
export function vmaName(m: Machine, v: VmaRow): string {
  const file = m.vma.file[v]!;
  const given = m.names[m.vma.name[v]!]!;
  if (file !== 0) {
    if (given !== '') return `[anon_shmem:${given}]`;
    const path = m.names[m.file.name[file]!]!.replaceAll('\n', '\\012');
    const isGone = m.inode.nlink[m.file.inode[file]!] === 0 && !path.endsWith(DELETED);
    return isGone ? path + DELETED : path;
  }
  const mm = m.vma.mm[v]!;
  const start = m.vma.start[v]! * PAGE_SIZE;
  const end = m.vma.end[v]! * PAGE_SIZE;
  if (given.startsWith('[')) return given;
  if (start < m.mm.brk[mm]! && end > m.mm.brkStart[mm]!) return '[heap]';
  const stack = m.mm.startStack[mm]!;
  if (start <= stack && end >= stack) return '[stack]';
  return given === '' ? '' : `[anon:${given}]`;
}

/** "rw-p" from VM_* flags. */
export function permissions(flags: number): string {
  return (
    ((flags & VM_READ) !== 0 ? 'r' : '-') +
    ((flags & VM_WRITE) !== 0 ? 'w' : '-') +
    ((flags & VM_EXEC) !== 0 ? 'x' : '-') +
    ((flags & VM_MAYSHARE) !== 0 ? 's' : 'p')
  );
}

/** "start-end perms offset dev ino ", as far as the name. */
export function headerPrefix(
  start: number,
  end: number,
  flags: number,
  pgoff: number,
  dev: string,
  ino: number,
): string {
  return `${hex8(start)}-${hex8(end)} ${permissions(flags)} ${hex8(pgoff)} ${dev} ${ino} `;
}

export function named(prefix: string, name: string): string {
  return name === '' ? prefix : prefix.padEnd(NAME_COLUMN) + name;
}

/** One line of /proc/PID/maps, without its newline. */
export function mapsLine(m: Machine, v: VmaRow): string {
  const { start, end, flags, pgoff, file } = m.vma;
  const f = file[v]!;
  const inode = m.file.inode[f]!;
  const prefix =
    f === 0
      ? headerPrefix(start[v]!, end[v]!, flags[v]!, 0, '00:00', 0)
      : headerPrefix(
          start[v]!,
          end[v]!,
          flags[v]!,
          pgoff[v]!,
          device(m, inode),
          m.inode.ino[inode]!,
        );
  return named(prefix, vmaName(m, v));
}

/** The gate mapping, which belongs to every process (arch/x86 vsyscall, mode xonly). */
export const GATE_LINE = named(
  headerPrefix(0xffffffffff600, 0xffffffffff601, VM_EXEC, 0, '00:00', 0),
  '[vsyscall]',
);

/** /proc/PID/maps. */
export function mapsText(m: Machine, mm: MmRow): string {
  let text = '';
  for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) text += mapsLine(m, v) + '\n';
  return text + GATE_LINE + '\n';
}
