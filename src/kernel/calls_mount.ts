/**
 * mount(2) and umount2(2) of tmpfs: the options huge= and size= (mm/shmem.c shmem_parse_one(), 6.18).
 */
import { EBUSY, EINVAL, ENOENT, ENOTDIR, EPERM, PAGE_SIZE, type TaskRow } from '../base/index.ts';
import { CAP_SYS_ADMIN } from '../mm/fs_types.ts';
import { HUGE_NEVER } from '../mm/settings.ts';
import { parseHuge } from '../mm/sysfs.ts';
import { capable } from '../mm/util.ts';
import { AT_FDCWD, pathArg } from './calls_open.ts';
import { mountAt, newTmpfs, unmountAt } from './namespace.ts';
import type { CallTable, KernelState } from './state.ts';
import type { Args, Outcome } from './values.ts';

const MS_RDONLY = 1;
const MS_NOEXEC = 8;
const MS_REMOUNT = 32;

interface TmpfsOptions {
  huge: number | undefined;
  blocks: number | undefined;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1048576, g: 1073741824 };

/** memparse() of a size, with % of the memory; in bytes. */
function parseSize(k: KernelState, text: string): number | undefined {
  const found = /^(\d+)([kmg%]?)$/i.exec(text);
  if (found === null) return undefined;
  const n = Number(found[1]);
  if (found[2] === '%') return Math.floor((n * k.m.settings.totalRam) / 100) * PAGE_SIZE;
  return n * (UNITS[found[2]!.toLowerCase()] ?? 1);
}

/** -EINVAL for an option that tmpfs refuses; options that are not about memory pass. */
function parseOptions(k: KernelState, data: string, out: TmpfsOptions): number {
  for (const option of data.split(',')) {
    const [name = '', value = ''] = option.split('=');
    if (name === 'huge') {
      out.huge = parseHuge(value);
      // deny and force are words of sysfs only.
      if (out.huge === undefined || out.huge < 0) return -EINVAL;
    } else if (name === 'size') {
      const bytes = parseSize(k, value);
      if (bytes === undefined) return -EINVAL;
      out.blocks = Math.ceil(bytes / PAGE_SIZE);
    } else if (name === 'nr_blocks') {
      const blocks = parseSize(k, value);
      if (blocks === undefined) return -EINVAL;
      out.blocks = blocks;
    } else if (
      !/^(mode|uid|gid|nr_inodes|mpol|inode32|inode64|noswap|usrquota|grpquota|)$/.test(name)
    ) {
      return -EINVAL;
    }
  }
  return 0;
}

/** Directories where a system may have mounts that are no tmpfs of ours. */
const MAYBE_MOUNTS = /^\/(|proc|sys|dev|run|tmp|home|var|usr|opt|media)(\/|$)/;

/** There is such a directory, and nothing is mounted there: do_remount() wants the root of a mount. */
function isNoMount(k: KernelState, path: string): boolean {
  return k.observed === undefined && k.directories.has(path) && !MAYBE_MOUNTS.test(path);
}

/** The path of a mount, which comes before all rights; a log's directories are not known. */
function mountPath(k: KernelState, t: TaskRow, text: string | undefined): string | number {
  const path = pathArg(k, t, AT_FDCWD, text);
  if (typeof path === 'number' || k.observed !== undefined) return path;
  const exists = k.directories.has(path) || k.names.has(path);
  return exists || MAYBE_MOUNTS.test(path) ? path : -ENOENT;
}

function mount(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (k.observed?.errno !== undefined) return { ignored: 'mounts' };
  const path = mountPath(k, t, a.text(1));
  if (typeof path === 'number') return path;
  if (!capable(k.m, t, CAP_SYS_ADMIN)) return -EPERM;
  const flags = a.u64(3).lo;
  const at = k.mounts.findLast((x) => x.path === path);
  const remount = (flags & MS_REMOUNT) !== 0;
  const type = a.text(2);
  if (remount && at === undefined && isNoMount(k, path)) return -EINVAL;
  if (!remount && k.names.has(path)) return -ENOTDIR;
  if (remount ? at === undefined : type !== 'tmpfs') return { ignored: 'mounts other than tmpfs' };
  const options: TmpfsOptions = { huge: undefined, blocks: undefined };
  const error = parseOptions(k, a.text(4) ?? '', options);
  if (error !== 0) return error;
  const { m } = k;
  let sb = at?.sb ?? 0;
  if (!remount) {
    sb = newTmpfs(k, path, HUGE_NEVER, Math.floor(m.settings.totalRam / 2));
    mountAt(k, path, sb);
  }
  if (options.huge !== undefined) m.sb.huge[sb] = options.huge;
  if (options.blocks !== undefined) {
    if (remount && options.blocks !== 0 && options.blocks < m.sb.usedBlocks[sb]!) return -EINVAL;
    m.sb.maxBlocks[sb] = options.blocks;
  }
  m.sb.noexec[sb] = (flags & MS_NOEXEC) !== 0 ? 1 : 0;
  m.sb.readonly[sb] = (flags & MS_RDONLY) !== 0 ? 1 : 0;
  return 0;
}

/** MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW. */
const UMOUNT_FLAGS = 0xf;

function umount(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (k.observed?.errno !== undefined) return { ignored: 'mounts' };
  if ((a.u64(1).lo & ~UMOUNT_FLAGS) !== 0) return -EINVAL;
  const path = mountPath(k, t, a.text(0));
  if (typeof path === 'number') return path;
  if (!capable(k.m, t, CAP_SYS_ADMIN)) return -EPERM;
  const mounted = k.mounts.findLast((x) => x.path === path);
  if (mounted === undefined) return k.observed === undefined ? -EINVAL : { ignored: 'mounts' };
  const { inode } = k.m;
  for (let i = 1; i < inode.used; i++) {
    if (inode.sb[i] === mounted.sb && inode.refs[i]! > 0) {
      return (a.u64(1).lo & 2) !== 0 ? { unmodelled: 'lazy unmount of a busy tmpfs' } : -EBUSY;
    }
  }
  unmountAt(k, path);
  return 0;
}

export const MOUNT_CALLS: CallTable = {
  mount: ['sss|uas', mount],
  umount2: ['s|u', umount],
};
