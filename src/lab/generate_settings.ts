/** Settings: those that a block of programs begins with, and changes in the middle of one. */
import type { Random } from '../base/index.ts';
import type { GenState } from './generate_state.ts';

const SIZES_KB = [8, 16, 32, 64, 128, 256, 512, 1024, 2048];
const THP = '/sys/kernel/mm/transparent_hugepage';
const SHMEM_SIZE = ['advise', 'always', 'within_size', 'inherit', 'never'];
const SHMEM = ['always', 'within_size', 'advise', 'never', 'deny', 'force'];

function line(path: string, value: string): string {
  return `echo ${value} > ${THP}/${path}`;
}

/** Lines that choose, for each size, which folios there are. */
export function generateSettings(r: Random): string[] {
  const lines: string[] = [];
  const put = (path: string, value: string): void => {
    lines.push(line(path, value));
  };
  if (r.chance(20)) put('enabled', r.pick(['madvise', 'never']));
  if (r.chance(15)) put('use_zero_page', r.pick(['0', '1']));
  for (const kb of SIZES_KB) {
    if (kb >= 16 && r.chance(35)) {
      put(`hugepages-${kb}kB/enabled`, r.pick(['madvise', 'madvise', 'inherit', 'never']));
    }
    if (r.chance(30)) put(`hugepages-${kb}kB/shmem_enabled`, r.pick(SHMEM_SIZE));
  }
  // Last, because `force` is refused unless 2 MiB alone inherits: the lines are written again by
  // programs that find them in force.
  if (r.chance(25)) put('shmem_enabled', r.pick(SHMEM));
  return lines;
}

/** One setting for the rest of the program; sometimes a word that it does not take. */
export function settingsStep(s: GenState): void {
  const r = s.random;
  const kb = r.pick(SIZES_KB);
  s.put(
    r.pick([
      line(`hugepages-${Math.max(kb, 16)}kB/enabled`, r.pick(['madvise', 'inherit', 'never'])),
      line(`hugepages-${kb}kB/shmem_enabled`, r.pick(SHMEM_SIZE)),
      line(`hugepages-${kb}kB/shmem_enabled`, r.pick(SHMEM_SIZE)),
      line('shmem_enabled', r.pick(SHMEM)),
      line('enabled', r.pick(['madvise', 'never'])),
      line('use_zero_page', r.pick(['0', '1', '2'])),
      line(r.pick(['enabled', 'shmem_enabled', 'hugepages-64kB/enabled']), 'sometimes'),
    ]),
  );
}
