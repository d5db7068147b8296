/**
 * Where a mapping goes: the hint, or a hole from the top; alignment for huge pages of anonymous
 * memory, files and shmem. Everything is in pages.
 * Source: mm/mmap.c __get_unmapped_area(), arch/x86/kernel/sys_x86_64.c, mm/huge_memory.c
 * thp_get_unmapped_area(), mm/shmem.c shmem_get_unmapped_area(), 6.18; earlier forms by the fields
 * of Release.
 */
import { TASK_UNMAPPED_BASE } from '../arch/index.ts';
import {
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type FileRow,
  highestOrder,
  mod,
  PAGE_SIZE,
  type Pages,
  PMD_PAGES,
  type TaskRow,
  type Vpn,
} from '../base/index.ts';
import { CAP_SYS_RAWIO, FS_DISK, FS_HUGETLB, FS_SHMEM, FS_ZERO } from './fs_types.ts';
import type { Machine } from './mm_types.ts';
import { MAP_32BIT, MAP_ABOVE4G, MAP_FIXED, MAP_SHARED, TASK_PAGES, WRAP_PAGES } from './mman.ts';
import { HUGE_DENY, HUGE_FORCE, HUGE_NEVER } from './settings.ts';
import { unmappedAreaTopdown } from './unmapped_area.ts';
import { capable } from './util.ts';
import { mmapMinVpn } from './vma.ts';
import { findVma, holeBottomUp, vmStartGap } from './vma_tree.ts';

const LOW_4G: Vpn = 0x100000;
/** MAP_32BIT searches up to 2 GiB. */
const LOW_31BIT_END: Vpn = 0x80000;

/** arch_get_unmapped_area(): upwards. `align` is in pages, a power of two. */
function bottomUp(
  m: Machine,
  mm: number,
  hint: Vpn,
  pages: Pages,
  flags: number,
  align: Pages,
): Vpn | Errno {
  let begin = m.mm.legacyLayout[mm] !== 0 ? m.mm.mmapBase[mm]! : TASK_UNMAPPED_BASE;
  let end = TASK_PAGES;
  if ((flags & MAP_32BIT) !== 0) {
    begin = m.settings.map32Begin;
    end = LOW_31BIT_END;
  }
  if (pages > end) return -ENOMEM;
  if (hint !== 0 && end - pages >= hint) {
    const v = findVma(m, mm, hint);
    if (v === 0 || hint + pages <= vmStartGap(m, v)) return hint;
  }
  const low = Math.max(begin, mmapMinVpn(m));
  const found = holeBottomUp(m, mm, pages + align - 1, low, end);
  if (found < 0) return -ENOMEM;
  return found + mod(-found, align);
}

/**
 * mm_get_unmapped_area(): the hint when it is free, else the highest hole below mmap_base; when
 * there is none, the lowest hole. With MAP_FIXED the address as it is.
 */
export function mmGetUnmappedArea(
  m: Machine,
  mm: number,
  hint: Vpn,
  pages: Pages,
  flags: number,
  align: Pages = 1,
): Vpn | Errno {
  if (m.mm.legacyLayout[mm] !== 0) {
    if ((flags & MAP_FIXED) !== 0) return hint;
    return bottomUp(m, mm, hint, pages, flags, align);
  }
  if (pages > TASK_PAGES) return -ENOMEM;
  if ((flags & MAP_FIXED) !== 0) return hint;
  if ((flags & MAP_32BIT) === 0) {
    if (hint !== 0 && hint <= TASK_PAGES - pages) {
      const v = findVma(m, mm, hint);
      if (v === 0 || hint + pages <= vmStartGap(m, v)) return hint;
    }
    const floor = (flags & MAP_ABOVE4G) !== 0 ? LOW_4G : 1;
    const low = Math.max(floor, mmapMinVpn(m));
    const end = unmappedAreaTopdown(m, mm, pages + align - 1, low, m.mm.mmapBase[mm]!);
    if (end >= 0) {
      const at = end - pages;
      return at - mod(at, align);
    }
  }
  return bottomUp(m, mm, hint, pages, flags, align);
}

/**
 * thp_get_unmapped_area(): when the mapping holds a whole aligned 2 MiB of the file, asks for
 * 2 MiB more and takes the place in it that is congruent to the file offset.
 */
function thpGetUnmappedArea(
  m: Machine,
  mm: number,
  hint: Vpn,
  pages: Pages,
  pgoff: number,
  flags: number,
): Vpn | Errno {
  const aligned = pgoff + mod(-pgoff, PMD_PAGES);
  if (pgoff + pages - aligned >= PMD_PAGES) {
    const found = mmGetUnmappedArea(m, mm, hint, pages + PMD_PAGES, flags);
    if (found >= 0) {
      // The kernel takes 0 for "not found": only MAP_FIXED at 0 gets there, and asks again.
      if (found !== hint) {
        const up = mod(pgoff - found, PMD_PAGES);
        return up === 0 && m.mm.legacyLayout[mm] === 0 ? found + PMD_PAGES : found + up;
      }
      if (hint !== 0) return hint;
    }
  }
  return mmGetUnmappedArea(m, mm, hint, pages, flags);
}

/** Size in pages to which shmem aligns a mapping of `file` (0 = shared anonymous memory), or 0. */
function shmemAlignment(m: Machine, file: FileRow): Pages {
  const s = m.settings;
  if (s.shmemEnabled === HUGE_DENY) return 0;
  if (s.shmemEnabled === HUGE_FORCE) return PMD_PAGES;
  if (file !== 0) {
    const sb = m.inode.sb[m.file.inode[file]!]!;
    const huge = sb === m.shmMount ? s.shmemMountHuge : m.sb.huge[sb]!;
    return huge === HUGE_NEVER ? 0 : PMD_PAGES;
  }
  if (m.release.shmemPerSize) {
    let orders = s.shmemAlways | s.shmemWithin | s.shmemAdvise;
    if (s.shmemMountHuge !== HUGE_NEVER) orders |= s.shmemInherit;
    if (orders !== 0) return 1 << highestOrder(orders);
  }
  return s.shmemMountHuge === HUGE_NEVER ? 0 : PMD_PAGES;
}

function shmemGetUnmappedArea(
  m: Machine,
  mm: number,
  file: FileRow,
  hint: Vpn,
  pages: Pages,
  pgoff: number,
  flags: number,
): Vpn | Errno {
  if (pages > TASK_PAGES) return -ENOMEM;
  const at = mmGetUnmappedArea(m, mm, hint, pages, flags);
  if (at < 0 || at > TASK_PAGES - pages || (flags & MAP_FIXED) !== 0 || at === hint) return at;
  const size = shmemAlignment(m, file);
  if (size === 0 || pages < size) return at;
  const offset = pgoff % size;
  if (offset !== 0 && offset + pages < 2 * size) return at;
  if (at % size === offset) return at;
  const inflated = pages + size - 1;
  if (inflated > TASK_PAGES) return at;
  const found = mmGetUnmappedArea(m, mm, hint, inflated, flags);
  if (found < 0) return at;
  const rest = found % size;
  const moved = found + offset - rest + (rest > offset ? size : 0);
  return moved > TASK_PAGES - pages ? at : moved;
}

/** hugetlb_get_unmapped_area() for 2 MiB pages; the length is a multiple of them already. */
function hugetlbGetUnmappedArea(
  m: Machine,
  mm: number,
  hint: Vpn,
  pages: Pages,
  flags: number,
): Vpn | Errno {
  if (pages % PMD_PAGES !== 0) return -EINVAL;
  if ((flags & MAP_FIXED) !== 0) {
    if (hint % PMD_PAGES !== 0) return -EINVAL;
    return mmGetUnmappedArea(m, mm, hint, pages, flags);
  }
  const rounded = hint + mod(-hint, PMD_PAGES);
  return mmGetUnmappedArea(m, mm, rounded, pages, flags, PMD_PAGES);
}

/** Does an anonymous (or, before 6.13, any plain) mapping of this length go for 2 MiB alignment? */
function thpAligns(m: Machine, file: FileRow, hint: Vpn, pages: Pages): boolean {
  switch (m.release.thpAlign) {
    case 'never':
      return false;
    case 'from-2M':
      return true;
    case 'multiple':
      return pages % PMD_PAGES === 0;
    case 'multiple-no-hint':
      return file === 0 && hint === 0 && pages % PMD_PAGES === 0;
  }
}

/**
 * The place for `pages` pages: `hint` (already rounded) or what the file's or the machine's rule
 * finds. `offset` is that of a fixed address in its page: an error, but not the first.
 * Source: mm/mmap.c __get_unmapped_area(), security/commoncap.c cap_mmap_addr(), 6.18.
 */
export function getUnmappedArea(
  m: Machine,
  task: TaskRow,
  file: FileRow,
  hint: Vpn,
  pages: Pages,
  pgoff: number,
  flags: number,
  offset = 0,
): Vpn | Errno {
  if (pages > TASK_PAGES) return -ENOMEM;
  const mm = m.task.mm[task]!;
  let at: number;
  const kind = file === 0 ? 0 : m.inode.kind[m.file.inode[file]!]!;
  const shared = (flags & MAP_SHARED) !== 0;
  const linear = file === 0 ? 0 : pgoff;
  if (kind === FS_SHMEM || ((file === 0 || kind === FS_ZERO) && shared)) {
    const object = kind === FS_ZERO ? 0 : file;
    at = shmemGetUnmappedArea(m, mm, object, hint, pages, linear, flags);
  } else if (kind === FS_HUGETLB) {
    at = hugetlbGetUnmappedArea(m, mm, hint, pages, flags);
  } else if (kind === FS_DISK || kind === FS_ZERO) {
    at = thpGetUnmappedArea(m, mm, hint, pages, linear, flags);
  } else if (thpAligns(m, file, hint, pages)) {
    at = thpGetUnmappedArea(m, mm, hint, pages, linear, flags);
  } else {
    at = mmGetUnmappedArea(m, mm, hint, pages, flags);
  }
  if (at < 0) return at;
  // An address in the last page of all looks like an error number to the kernel itself.
  if (at === WRAP_PAGES - 1 && offset !== 0) return offset - PAGE_SIZE;
  if (at > TASK_PAGES - pages || (offset !== 0 && at === TASK_PAGES - pages)) return -ENOMEM;
  if (offset !== 0) return -EINVAL;
  if (at * PAGE_SIZE < m.settings.mmapMinAddr && !capable(m, task, CAP_SYS_RAWIO)) return -EPERM;
  return at;
}
