/**
 * Laws: named properties that a machine keeps whatever a program does. Each says what must `always`
 * hold, and carries a `sometimes` partner: what must have been met at least once for the law to
 * have said anything. One list serves debug runs, property tests and the checker.
 *
 * State laws are judged on a machine at rest, access laws on one access (what the page tables held
 * before and after it), value laws on what loads and stores saw, call laws when a call returns.
 * The laws of the state say of their subject what one access must do to it, too.
 */
import type { TaskRow, Vpn } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { addressWords, taskWords } from './words.ts';

export type LawName =
  | 'translation'
  | 'containment'
  | 'no-overwrite'
  | 'counters'
  | 'mapcount'
  | 'refcount'
  | 'reverse-map'
  | 'lifetime'
  | 'permission'
  | 'exclusivity'
  | 'isolation'
  | 'uffd'
  | 'alignment'
  | 'progress'
  | 'residency'
  | 'inheritance';

export interface Law {
  readonly name: LawName;
  readonly judges: 'state' | 'access' | 'value' | 'call';
  /** What always holds. */
  readonly always: string;
  /** What `exercised` counts. */
  readonly sometimes: string;
}

export const LAWS: readonly Law[] = [
  {
    name: 'translation',
    judges: 'state',
    always: "an entry of a file mapping maps the page of its own offset in the file's page cache",
    sometimes: 'entries that map page-cache pages of large folios',
  },
  {
    name: 'containment',
    judges: 'state',
    always: 'no entry outside a VMA or behind the end of a file; VMAs are ascending and disjoint',
    sometimes: 'entries looked at',
  },
  {
    name: 'no-overwrite',
    judges: 'access',
    always: 'a fault fills empty entries; of the others it may change the touched page alone',
    sometimes: 'entries that were mapped beside a fault that installed something',
  },
  {
    name: 'counters',
    judges: 'state',
    always:
      'counters (RSS, VmPTE, VMAs, commit, vmstat, per size, faults) equal what is there to count',
    sometimes: 'counters compared whose due value was not zero',
  },
  {
    name: 'mapcount',
    judges: 'state',
    always: 'mapcounts of page and folio equal the entries that map them, over all address spaces',
    sometimes: 'mapped folios counted',
  },
  {
    name: 'refcount',
    judges: 'state',
    always:
      "a folio's references are its mappings, page-cache slots and faults at work; these lock it",
    sometimes: 'folios that are mapped more than once, or mapped and cached',
  },
  {
    name: 'reverse-map',
    judges: 'state',
    always: 'from a folio all its mappings are found (i_mmap, anon_vma), and nothing that is gone',
    sometimes: 'mapped anonymous pages and mapped files',
  },
  {
    name: 'lifetime',
    judges: 'state',
    always: 'no entry and no page-cache slot points to a frame that is free or has no reference',
    sometimes: 'frames in use, mapped or cached',
  },
  {
    name: 'permission',
    judges: 'state',
    always: 'an entry allows no more than its VMA; a private page is writable only while exclusive',
    sometimes: 'writable entries of private mappings',
  },
  {
    name: 'exclusivity',
    judges: 'state',
    always: 'an exclusive page is mapped at most once; what one process alone maps is not copied',
    sometimes: 'mapped pages that are anon-exclusive',
  },
  {
    name: 'isolation',
    judges: 'value',
    always:
      'a load sees the last store to its page; private stores stay private; stores stay dirty',
    sometimes: 'loads of pages that a store had changed',
  },
  {
    name: 'uffd',
    judges: 'access',
    always:
      'a fault in a userfaultfd-armed VMA installs one entry, and none that its handler is due to',
    sometimes: 'faults in armed VMAs that installed an entry',
  },
  {
    name: 'alignment',
    judges: 'state',
    always: 'each frame is in exactly one block, free or folio, and blocks are naturally aligned',
    sometimes: 'blocks of order 1 and above',
  },
  {
    name: 'progress',
    judges: 'access',
    always: 'an access that its VMA allows ends, alone after one fault',
    sometimes: 'accesses that took a fault',
  },
  {
    name: 'residency',
    judges: 'access',
    always:
      "a fault maps its own folio, of a size that is allowed, and, for a read, fault-around's",
    sometimes: 'faults that mapped more than one page',
  },
  {
    name: 'inheritance',
    judges: 'call',
    always:
      "a forked child has its parent's mappings, without locks, by old entries, clean where shared",
    sometimes: 'entries that a child got from its parent',
  },
];

export interface Violation {
  readonly law: LawName;
  /** 0 = none in particular. */
  readonly task: TaskRow;
  /** -1 = none in particular. */
  readonly vpn: Vpn;
  readonly found: string;
  readonly due: string;
  readonly message: string;
}

/** Violations of one law that a check spells out; a broken machine has thousands. */
export const VIOLATIONS_MAX = 16;

/** Gathers violations, and how often the subject of each law was met. */
export class Report {
  violations: Violation[] = [];
  /** Violations beyond VIOLATIONS_MAX, by law: counted, not spelt out. */
  readonly untold = new Map<LawName, number>();
  readonly exercised: Map<LawName, number>;
  private readonly m: Machine;
  private readonly told = new Map<LawName, number>();

  constructor(m: Machine, exercised: Map<LawName, number>) {
    this.m = m;
    this.exercised = exercised;
  }

  met(law: LawName, times: number): void {
    if (times !== 0) this.exercised.set(law, (this.exercised.get(law) ?? 0) + times);
  }

  /** True when another violation of the law would be spelt out; words are made only then. */
  break(law: LawName): boolean {
    const told = this.told.get(law) ?? 0;
    if (told < VIOLATIONS_MAX) return true;
    this.untold.set(law, (this.untold.get(law) ?? 0) + 1);
    return false;
  }

  add(law: LawName, task: TaskRow, vpn: Vpn, found: string, due: string, subject = ''): void {
    this.told.set(law, (this.told.get(law) ?? 0) + 1);
    const at = [taskWords(this.m, task), addressWords(vpn), subject].filter((s) => s !== '');
    const place = at.length === 0 ? '' : ` ${at.join(' ')}:`;
    const message = `law ${law}:${place} found ${found}, due ${due}`;
    this.violations.push({ law, task, vpn, found, due, message });
  }
}
