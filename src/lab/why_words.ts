/** The decision log in the kernel's terms: one sentence a rule, and the function that decides. */
import { word } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { WhyEntry, WhyRule } from '../mm/why.ts';
import type { WhyDecision } from './report.ts';

/** "64 kB", "2 MB". */
export function sizeText(order: number): string {
  const kb = 4 << order;
  return kb >= 1024 ? `${kb / 1024} MB` : `${kb} kB`;
}

function hex(vpn: number): string {
  return word.toHex(word.fromPage(vpn));
}

interface Words {
  readonly outcome: WhyDecision['outcome'];
  readonly source: string;
  readonly text: (a: number, b: number, order: number, m: Machine) => string;
}

const refused = (source: string, text: Words['text']): Words => ({
  outcome: 'refused',
  source,
  text,
});
const taken = (source: string, text: Words['text']): Words => ({ outcome: 'taken', source, text });
const note = (source: string, text: Words['text']): Words => ({ outcome: 'note', source, text });

const ORDERS = 'include/linux/huge_mm.h thp_vma_allowable_orders()';
const SUITABLE = 'include/linux/huge_mm.h thp_vma_suitable_order()';
const SHMEM = 'mm/shmem.c shmem_allowable_huge_orders()';
const FINISH = 'mm/memory.c finish_fault()';
const AROUND = 'mm/memory.c do_fault_around()';

function blockText(block: number, n: number): string {
  return `${hex(block)}-${hex(block + n)}`;
}

const WORDS: { readonly [R in WhyRule]: Words } = {
  'fault-begin': note('mm/memory.c handle_mm_fault()', (a, b) => {
    const kind = (b & 1) !== 0 ? 'write' : (b & 2) !== 0 ? 'instruction' : 'read';
    return `${kind} fault at ${hex(a)}${(b & 8) !== 0 ? ', second attempt' : ''}`;
  }),
  'pte-present': note('mm/memory.c handle_pte_fault()', () => 'the entry was there already'),
  'anon-read-zero': taken(
    'mm/memory.c do_anonymous_page()',
    () => 'a read of untouched anonymous memory maps the shared zero page',
  ),
  'anon-huge-zero': taken(
    'mm/huge_memory.c do_huge_pmd_anonymous_page()',
    () => 'a read of an untouched 2 MB block maps the huge zero page',
  ),
  'anon-taken': taken('mm/memory.c alloc_anon_folio()', (a) => `allocated, mapped at ${hex(a)}`),
  'anon-pmd-taken': taken(
    'mm/huge_memory.c do_huge_pmd_anonymous_page()',
    () => 'allocated and mapped by one PMD',
  ),
  'fault-around': note(AROUND, (a, b) =>
    b !== 0
      ? `fault-around mapped ${a} cached page${a === 1 ? '' : 's'}, the wanted one among them: finish_fault() is not reached`
      : `fault-around mapped ${a} cached page${a === 1 ? '' : 's'}, but not the wanted one`,
  ),
  'fault-around-off': note(
    'mm/memory.c should_fault_around()',
    () => 'no fault-around: fault_around_bytes is 4096',
  ),
  'fault-around-uffd': note(
    'mm/memory.c should_fault_around()',
    () => 'no fault-around: the VMA is registered with userfaultfd (write-protect or minor)',
  ),
  'fault-around-eof': refused(
    'mm/filemap.c filemap_map_pages()',
    () => 'no page table yet and the folio reaches the end of the file: fault-around maps nothing',
  ),
  'fault-around-missed': note(
    'mm/filemap.c filemap_map_pages()',
    () => 'nothing in the page cache around the address',
  ),
  'cache-hit': note('mm/filemap.c filemap_get_entry()', (a, _b, order) =>
    order > 0
      ? `page ${a} of the file is cached already, in a ${sizeText(order)} folio`
      : `page ${a} of the file is cached already`,
  ),
  'cache-read': note(
    'mm/filemap.c filemap_fault()',
    (a) => `page ${a} of the file is not cached: readahead`,
  ),
  'shmem-taken': taken(
    'mm/shmem.c shmem_alloc_and_add_folio()',
    (a) => `allocated for page ${a} of the object`,
  ),
  'finish-whole': taken(FINISH, (a, b) =>
    b === 0 ? `maps all ${a} pages of the folio` : `maps ${a} pages, from the folio's page ${b} on`,
  ),
  'finish-one': taken(FINISH, (_a, b, order) =>
    order > 0 ? `maps one page, the folio's page ${b}` : 'maps one page',
  ),
  'finish-pmd': taken('mm/memory.c do_set_pmd()', () => 'maps the folio by one PMD'),
  'wp-reuse': taken(
    'mm/memory.c do_wp_page()',
    () => 'write to a read-only page that is exclusive to this process: made writable in place',
  ),
  'wp-copy': taken('mm/memory.c wp_page_copy()', (a) =>
    a !== 0
      ? 'write to the zero page: a fresh page of its own'
      : 'write to a page that is shared: one 4 kB copy, never a large folio',
  ),
  'wp-shared': taken(
    'mm/memory.c wp_page_shared()',
    () => 'write to a shared page that was mapped read-only: made writable',
  ),
  'swap-in': note('mm/memory.c do_swap_page()', () => 'swapped in'),
  'no-size-enabled': refused(ORDERS, () => 'no size is enabled'),
  'size-disabled': refused(ORDERS, (_a, _b, order) => `hugepages-${4 << order}kB is "never"`),
  'size-needs-madvise': refused(
    ORDERS,
    () => 'this size needs madvise(MADV_HUGEPAGE), which the VMA has not',
  ),
  'size-inherits-off': refused(
    ORDERS,
    (_a, _b, _o, m) =>
      `"inherit", and the top level is "${['never', 'madvise', 'always'][m.settings.thpEnabled] ?? '?'}"`,
  ),
  'vma-nohugepage': refused(
    'include/linux/huge_mm.h vma_thp_disabled()',
    () => 'the VMA is VM_NOHUGEPAGE (MADV_NOHUGEPAGE or MAP_STACK)',
  ),
  'prctl-disabled': refused(
    'include/linux/huge_mm.h vma_thp_disabled()',
    () => 'prctl(PR_SET_THP_DISABLE) is set for the process',
  ),
  'temporary-stack': refused(ORDERS, () => 'the stack of an exec in progress'),
  'outside-vma': refused(SUITABLE, (a, b) => `the block ${blockText(a, b)} is not inside the VMA`),
  'not-congruent': refused(
    SUITABLE,
    (a, b) => `address and file offset are not congruent for the block ${blockText(a, b)}`,
  ),
  'entries-populated': refused(
    'mm/memory.c alloc_anon_folio()',
    (a, b) => `some entry of ${blockText(a, b)} is populated`,
  ),
  'pmd-populated': refused(
    'mm/memory.c __handle_mm_fault()',
    (a, b) => `a page table is there for ${blockText(a, b)}`,
  ),
  'uffd-armed': refused(FINISH, () => 'the VMA is registered with userfaultfd: one page a fault'),
  'alloc-failed': refused(
    'mm/page_alloc.c __alloc_frozen_pages()',
    () => 'no free block of this size',
  ),
  'within-size': refused(
    'mm/shmem.c shmem_get_orders_within_size()',
    (a, b) => `"within_size": the block ends at page ${a}, the file at page ${b}`,
  ),
  'not-anon-shmem': refused(
    SHMEM,
    () => 'not anonymous shared memory: a mapping of tmpfs may have 2 MB only',
  ),
  'shmem-size-disabled': refused(
    SHMEM,
    (_a, _b, order) => `hugepages-${4 << order}kB/shmem_enabled is "never"`,
  ),
  'shmem-needs-madvise': refused(
    SHMEM,
    () => '"advise", and the VMA has no madvise(MADV_HUGEPAGE)',
  ),
  'shmem-inherits-off': refused(
    SHMEM,
    (_a, _b, _o, m) => `"inherit", and shmem_enabled is "${shmemWord(m.settings.shmemEnabled)}"`,
  ),
  'shmem-deny': refused(SHMEM, () => 'shmem_enabled is "deny"'),
  'mount-huge-never': refused(
    'mm/shmem.c shmem_huge_global_enabled()',
    () => 'the mount has huge=never (or the VMA is not advised)',
  ),
  'cache-populated': refused(
    'mm/shmem.c shmem_suitable_orders()',
    (a, b) => `pages ${a}-${a + b - 1} of the object hold a cached page already`,
  ),
  'cache-folio-found': note('mm/filemap.c filemap_get_entry()', () => 'a folio is cached already'),
  'past-eof': refused('mm/memory.c finish_fault()', (a, b) =>
    b > 0
      ? `page ${a} is beyond the end of the file (page ${b})`
      : 'the folio reaches past the end of the file',
  ),
  'finish-past-vma': refused(
    FINISH,
    (a, b) => `the folio reaches past the VMA: its page ${a} lies at the VMA's page ${b}`,
  ),
  'finish-crosses-table': refused(
    FINISH,
    (a, b) => `the folio crosses a page-table boundary: its page ${a} is entry ${b} of the table`,
  ),
  'finish-range-populated': refused(
    FINISH,
    (a, b) => `some entry of the ${a} pages at ${hex(b)} is populated`,
  ),
  'finish-pte-changed': refused(FINISH, () => 'the entry changed meanwhile'),
  'finish-release-one': note(FINISH, () => 'this release maps one page a fault'),
  'finish-misaligned': note(
    FINISH,
    (a, b) => `takes the aligned block of addresses for the folio: maps its page ${a} at ${hex(b)}`,
  ),
  'pmd-nohugepage': refused('mm/memory.c do_set_pmd()', () => 'THP is disabled for the VMA'),
  'pmd-not-congruent': refused(
    'mm/memory.c do_set_pmd()',
    () => 'the 2 MB block is not inside the VMA, or not congruent with the file',
  ),
  'pmd-not-order9': refused('mm/memory.c do_set_pmd()', () => 'the folio is not 2 MB'),
  'order-not-supported': refused(ORDERS, () => 'this kind of memory has no folio of this size'),
};

/** The top-level shmem_enabled as sysfs spells it. */
function shmemWord(value: number): string {
  return ['force', 'deny', 'never', 'always', 'within_size', 'advise'][value + 2] ?? '?';
}

export function decisionOf(m: Machine, entry: WhyEntry): WhyDecision {
  const words = WORDS[entry.rule];
  return {
    size: entry.order > 0 ? sizeText(entry.order) : '',
    outcome: words.outcome,
    text: words.text(entry.a, entry.b, entry.order, m),
    source: words.source,
  };
}

/** Every rule that the log can note, with the kernel function that has it. */
export const WHY_RULES: readonly { readonly rule: WhyRule; readonly source: string }[] = (
  Object.keys(WORDS) as WhyRule[]
).map((rule) => ({ rule, source: WORDS[rule].source }));
