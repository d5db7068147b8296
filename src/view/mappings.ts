/** A task's mappings with the pages in each, and the line that stands above a picture. */
import type { RunReport, TaskReport, VmaReport } from '../lab/index.ts';
import type { MapArea } from './page_map.ts';
import { clean, cutLine, flow, type Line, type Style, span } from './text.ts';
import { pagesSize, vpnOf } from './words.ts';

/** One mapping with what is in it. An area of pages outside every mapping has no `vma`. */
export interface Mapping {
  readonly vma: VmaReport | undefined;
  readonly area: MapArea;
}

/** VmFlags that tell something `prot` does not, in words. */
const FLAG_WORDS: Readonly<Record<string, string>> = {
  hg: 'MADV_HUGEPAGE',
  nh: 'MADV_NOHUGEPAGE',
  lo: 'locked',
  gd: 'grows down',
  dc: 'not copied by fork',
  wf: 'wiped by fork',
  um: 'userfaultfd missing',
  uw: 'userfaultfd write-protect',
  ui: 'userfaultfd minor',
  ht: 'hugetlb',
  sl: 'sealed',
  dp: 'droppable',
};

/** Mappings in ascending order; pages that lie in none of them are areas of their own. */
export function mappingsOf(task: TaskReport): Mapping[] {
  const mappings: Mapping[] = [];
  const { pages } = task;
  let next = 0;
  const take = (until: number): typeof pages => {
    const from = next;
    while (next < pages.length && vpnOf(pages[next]!.address) < until) next++;
    return pages.slice(from, next);
  };
  const outside = (until: number): void => {
    const lost = take(until);
    if (lost.length === 0) return;
    const start = vpnOf(lost[0]!.address);
    const end = vpnOf(lost[lost.length - 1]!.address) + 1;
    mappings.push({ vma: undefined, area: { start, end, pages: lost } });
  };
  for (const vma of task.vmas) {
    const start = vpnOf(vma.start);
    const end = vpnOf(vma.end);
    outside(start);
    mappings.push({ vma, area: { start, end, pages: take(end) } });
  }
  outside(Number.POSITIVE_INFINITY);
  return mappings;
}

/** The kernel's own areas: their offset is their address, and tells nothing. */
function isSpecial(vma: VmaReport): boolean {
  return vma.file?.startsWith('[') === true;
}

export function mappingLine(vma: VmaReport, pages: number, style: Style, width: number): Line {
  const words = vma.flags.split(' ').flatMap((flag) => FLAG_WORDS[flag] ?? []);
  const name = vma.file === undefined || vma.file === '' ? 'anonymous' : clean(vma.file);
  const offset = vma.offset === '0x0' || isSpecial(vma) ? '' : ` at ${vma.offset}`;
  const tail = words.length === 0 ? '' : `  (${words.join(', ')})`;
  const head = `  ${vma.start}-${vma.end} ${vma.prot} ${pagesSize(pages).padStart(4)}  `;
  const line = [span(head + name + offset, style), span(tail, style === 'dim' ? 'dim' : 'note')];
  return cutLine(line, width);
}

/** Mappings of files and of the kernel: without pages they are not worth a line each. */
export function isCommonplace({ vma, area }: Mapping): boolean {
  if (vma?.file === undefined || area.pages.length > 0) return false;
  if (isSpecial(vma)) return vma.file !== '[heap]' && !vma.file.startsWith('[anon');
  return vma.file.startsWith('/') && !vma.prot.endsWith('s') && !vma.file.endsWith('(deleted)');
}

/** Names a mapping of a task over the reports of several kernels. */
export function mappingKey(task: TaskReport, { vma, area }: Mapping): string {
  return `${task.name} ${area.start} ${area.end} ${vma?.prot} ${vma?.file}`;
}

/**
 * Mappings that are the same in all these reports and have nothing to look at: no pages at all, or
 * those of the program's image and stack.
 */
export function alikeMappings(reports: readonly RunReport[]): Set<string> {
  const found = new Map<string, { text: string; times: number; dull: boolean }>();
  for (const { tasks } of reports) {
    for (const task of tasks) {
      for (const mapping of mappingsOf(task)) {
        const key = mappingKey(task, mapping);
        const { pages } = mapping.area;
        const text = JSON.stringify(pages.map((p) => [p.address, p.present, p.order, p.writable]));
        const known = found.get(key);
        if (known === undefined) {
          const special = mapping.vma !== undefined && isSpecial(mapping.vma);
          found.set(key, { text, times: 1, dull: pages.length === 0 || special });
        } else if (known.text === text) known.times++;
      }
    }
  }
  const same = [...found].filter(([, m]) => m.dull && m.times === reports.length);
  return new Set(same.map(([key]) => key));
}

/** "without pages: /usr/lib/libc.so.6 ×5, [vdso], [stack]". */
export function commonplaceLines(mappings: readonly Mapping[], width: number): Line[] {
  const counts = new Map<string, number>();
  for (const { vma } of mappings) {
    const name = clean(vma?.file ?? '');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const items = [...counts].map(([name, n]): Line => [span(n > 1 ? `${name} ×${n}` : name, 'dim')]);
  if (items.length === 0) return [];
  const [first, ...rest] = items;
  return flow([[span('without pages: ', 'dim'), ...first!], ...rest], '  ', ', ', width);
}
