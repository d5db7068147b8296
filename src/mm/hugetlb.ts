/**
 * hugetlbfs with an empty pool: what can be mapped without a reservation, and that no page of it is
 * ever had. Only 2 MiB pages can be mapped here. Source: fs/hugetlbfs/inode.c, mm/hugetlb.c, 6.18.
 */
import {
  EINVAL,
  ENOMEM,
  type Errno,
  type FileRow,
  newRow,
  PAGE_SIZE,
  type Pages,
  PMD_PAGES,
  type TaskRow,
} from '../base/index.ts';
import { FIRST_INO, newFile } from './file.ts';
import { FMODE_READ, FMODE_WRITE, FS_HUGETLB, INODE_NORESERVE, O_RDWR } from './fs_types.ts';
import { internName, type Machine } from './mm_types.ts';
import { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_HUGE_SHIFT, MAP_NORESERVE } from './mman.ts';

/** `nrHugepages` of a kernel of which only a log is known: pages are had, nobody counts them. */
export const HUGEPAGES_UNKNOWN = -1;

/** Where the alignment to 1 GiB would have to be checked. */
const AT_ADDRESS = MAP_FIXED | MAP_FIXED_NOREPLACE;
const HUGE_2MB = 21;
const HUGE_1GB = 30;

/**
 * Pages of the huge page that mmap flags ask for: 2 MiB unless they say otherwise. -EINVAL for a
 * size that the processor does not have.
 */
export function hugetlbPages(m: Machine, flags: number): Pages | Errno {
  const log = (flags >>> MAP_HUGE_SHIFT) & 0x3f;
  if (log === 0 || log === HUGE_2MB) return PMD_PAGES;
  if (log !== HUGE_1GB) return -EINVAL;
  if (m.settings.nrHugepages > 0 || (flags & (MAP_NORESERVE | AT_ADDRESS)) !== 0) {
    m.unmodelled = 'hugetlb pages of 1 GiB';
  }
  return 512 * PMD_PAGES;
}

/** An unlinked hugetlbfs file for MAP_HUGETLB; its pages are reserved when it is mapped. */
export function hugetlbFileSetup(m: Machine, task: TaskRow, pages: Pages): FileRow {
  const inode = newRow(m.inode);
  const cols = m.inode;
  cols.kind[inode] = FS_HUGETLB;
  cols.size[inode] = pages * PAGE_SIZE;
  cols.flags[inode] = INODE_NORESERVE;
  cols.mode[inode] = 0o100777;
  cols.ino[inode] = FIRST_INO + inode;
  cols.uid[inode] = m.task.euid[task]!;
  const name = internName(m, '/anon_hugepage');
  cols.name[inode] = name;
  return newFile(m, inode, FMODE_READ | FMODE_WRITE, O_RDWR, name);
}

/** hugetlb_reserve_pages() with the pool that there is. */
export function hugetlbReserve(m: Machine, noReserve: boolean): Errno {
  if (m.settings.nrHugepages === HUGEPAGES_UNKNOWN) return 0;
  if (m.settings.nrHugepages !== 0) {
    m.unmodelled = 'a pool of hugetlb pages';
    return 0;
  }
  return noReserve ? 0 : -ENOMEM;
}
