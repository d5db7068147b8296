/**
 * A machine small enough to be copied thousands of times a second. All its tables lie in one buffer,
 * so that a state is saved and restored by one copy of some ten KiB, and of the page-table pool only
 * the entries that the arena of addresses can reach:
 *
 *   words   0..HEAD-1  what the machine keeps outside its columns: numbers in objects
 *           HEAD..     free lists, vmstat, columns of the tables, ghost contents
 *   window  of every row of the pool in use, the entries `reach`
 *
 * Statistics that only ever grow (mTHP events) are no part of a state and are not restored.
 */
import { assert, placeTable, type Rows, type TableHead, tableBytes } from '../base/index.ts';
import { Kernel } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import { Vmf } from '../mm/vmf.ts';
import { MTHP_ITEMS, MTHP_NR_ANON, MTHP_NR_ANON_PARTIALLY_MAPPED } from '../mm/vmstat.ts';

const HEAD = 160;
/** Numbers of a fault's context. */
const VMF_WORDS = 15;
/** Rows of the page-table pool. */
const TABLES = 48;

export interface SmallOptions {
  readonly release: Release;
  /** Physical frames: enough that no allocation fails, or orders of blocks would matter. */
  readonly frames: number;
  /** First page of the addresses that programs use, and how many there are. */
  readonly arenaStart: number;
  readonly arenaPages: number;
  /** Tasks that may be alive at a time. */
  readonly tasks: number;
  /** Faults that may stand between two phases. */
  readonly inFlight: number;
}

export class SmallMachine {
  readonly kernel: Kernel;
  readonly m: Machine;
  readonly options: SmallOptions;
  /** What a load of a page is due to see: rows of arenaPages a mm, then rows an inode. 0 = nothing. */
  ghostMm: Int32Array = new Int32Array(0);
  ghostInode: Int32Array = new Int32Array(0);
  /** Steps of the program so far: a store's value is unique in its program. */
  steps = 0;
  /** Contexts of faults at work, one a processor; `task` 0: the processor is idle. */
  readonly vmfs: Vmf[] = [];
  private words: Int32Array = new Int32Array(0);
  /** Entries of a table that the arena can reach, ascending. */
  reach: Int32Array = new Int32Array(0);
  private tables: Rows[] = [];
  private readonly capacities: number[] = [];
  private slots: Int32Array[] = [];
  private windows: Int32Array[] = [];

  constructor(options: SmallOptions) {
    this.options = options;
    this.kernel = Kernel.boot({
      release: options.release,
      memoryBytes: options.frames * 4096,
      contents: true,
      firstPid: 100,
    });
    this.m = this.kernel.m;
    for (let cpu = 0; cpu < options.inFlight; cpu++) this.vmfs.push(new Vmf());
  }

  /** To be called when the first task and its files are made: the tables move into one buffer. */
  seal(): void {
    const { m, options } = this;
    const tasks = options.tasks + 1;
    const vmas = options.tasks * (options.arenaPages + 2);
    const capacities: readonly (readonly [TableHead, number])[] = [
      [m.page, m.pages + 2],
      [m.vma, vmas],
      [m.mm, tasks + 1],
      [m.anonVma, vmas * 2],
      [m.chain, vmas * 4],
      [m.inode, m.inode.used + vmas],
      [m.file, m.file.used + vmas],
      [m.sb, m.sb.used + 1],
      [m.task, tasks + 1],
      [m.uffd, 3],
    ];
    const ghost = (m.inode.used + vmas + tasks + 1) * options.arenaPages;
    let bytes = HEAD * 4 + (11 + 11 + 2 + m.pages + 2 + ghost) * 4 + 64 * 8 + 64;
    for (const [table, rows] of capacities) bytes += tableBytes(table, rows);
    const buffer = new ArrayBuffer(8 * Math.ceil(bytes / 8));
    this.words = new Int32Array(buffer);
    let at = HEAD * 4;
    const take = (length: number, from: Int32Array): Int32Array<ArrayBuffer> => {
      const view = new Int32Array(buffer, at, length);
      view.set(from.subarray(0, length));
      at += 8 * Math.ceil(length / 2);
      return view;
    };
    m.freeHead = take(11, m.freeHead);
    m.freeCount = take(11, m.freeCount);
    m.content = take(m.pages + 2, m.content);
    const none = new Int32Array(0);
    this.ghostMm = take((tasks + 1) * options.arenaPages, none);
    this.ghostInode = take((m.inode.used + vmas) * options.arenaPages, none);
    const vmstat = new Float64Array(buffer, at, 64);
    vmstat.set(m.vmstat);
    m.vmstat = vmstat;
    at += 64 * 8;
    for (const [table, rows] of capacities) {
      at = placeTable(table, buffer, at, rows);
      this.tables.push(table.rows);
      this.capacities.push(rows);
    }
    assert(m.ptUsed < TABLES, 'the first task fits');
    const pool = new Int32Array(TABLES * 512);
    pool.set(m.pt.subarray(0, m.ptUsed * 512));
    m.pt = pool;
    this.reach = this.reachable();
  }

  /** Entries of a table that the arena's addresses and the files' offsets lead to. */
  private reachable(): Int32Array {
    const { arenaStart, arenaPages } = this.options;
    const found = new Set<number>([0]);
    for (let i = 0; i < arenaPages; i++) {
      let vpn = arenaStart + i;
      found.add(i);
      for (let level = 0; level < 4; level++) {
        found.add(vpn % 512);
        vpn = Math.floor(vpn / 512);
      }
    }
    return Int32Array.from([...found].sort((a, b) => a - b));
  }

  private head(store: boolean): void {
    const { m, words, tables } = this;
    const s = m.settings;
    let at = 0;
    if (store) {
      words[at++] = m.ptUsed;
      words[at++] = m.ptFree;
      words[at++] = m.wilderness;
      words[at++] = m.carveNext;
      words[at++] = m.carveEnd;
      words[at++] = m.hugeZeroPfn;
      words[at++] = m.committed;
      words[at++] = s.faultAroundPages;
      words[at++] = s.anonAlways;
      words[at++] = s.shmemAlways;
      words[at++] = this.steps;
      for (let i = 0; i < tables.length; i++) {
        const rows = tables[i]!;
        words[at++] = rows.used;
        words[at++] = rows.live;
        words[at++] = rows.freeHead;
      }
      for (let order = 1; order <= 9; order++) {
        words[at++] = m.mthp[order * MTHP_ITEMS + MTHP_NR_ANON]!;
        words[at++] = m.mthp[order * MTHP_ITEMS + MTHP_NR_ANON_PARTIALLY_MAPPED]!;
      }
      for (const vmf of this.vmfs) at = storeVmf(vmf, words, at);
      return;
    }
    m.ptUsed = words[at++]!;
    m.ptFree = words[at++]!;
    m.wilderness = words[at++]!;
    m.carveNext = words[at++]!;
    m.carveEnd = words[at++]!;
    m.hugeZeroPfn = words[at++]!;
    m.committed = words[at++]!;
    s.faultAroundPages = words[at++]!;
    s.anonAlways = words[at++]!;
    s.shmemAlways = words[at++]!;
    this.steps = words[at++]!;
    for (let i = 0; i < tables.length; i++) {
      const rows = tables[i]!;
      rows.used = words[at++]!;
      rows.live = words[at++]!;
      rows.freeHead = words[at++]!;
    }
    for (let order = 1; order <= 9; order++) {
      m.mthp[order * MTHP_ITEMS + MTHP_NR_ANON] = words[at++]!;
      m.mthp[order * MTHP_ITEMS + MTHP_NR_ANON_PARTIALLY_MAPPED] = words[at++]!;
    }
    for (const vmf of this.vmfs) at = loadVmf(vmf, words, at);
  }

  save(slot: number): void {
    this.head(true);
    const { m, words, reach } = this;
    this.slots[slot] ??= new Int32Array(words.length);
    this.windows[slot] ??= new Int32Array(TABLES * reach.length);
    this.slots[slot].set(words);
    const into = this.windows[slot];
    const { pt } = m;
    let at = 0;
    for (let row = 1; row < m.ptUsed; row++) {
      const base = row * 512;
      for (let i = 0; i < reach.length; i++) into[at++] = pt[base + reach[i]!]!;
    }
  }

  restore(slot: number): void {
    const { m, words, reach } = this;
    const usedNow = m.ptUsed;
    words.set(this.slots[slot]!);
    this.head(false);
    const from = this.windows[slot]!;
    const { pt } = m;
    let at = 0;
    for (let row = 1; row < m.ptUsed; row++) {
      const base = row * 512;
      for (let i = 0; i < reach.length; i++) pt[base + reach[i]!] = from[at++]!;
    }
    for (let row = m.ptUsed; row < usedNow; row++) {
      const base = row * 512;
      for (let i = 0; i < reach.length; i++) pt[base + reach[i]!] = 0;
    }
  }

  /** Bytes of a saved state. */
  get bytes(): number {
    return this.words.length * 4 + this.reach.length * 4 * this.m.ptUsed;
  }

  /** A table that grew left the buffer: the bounds were too wide for its capacity. */
  get overflowed(): boolean {
    if (this.m.pt.length !== TABLES * 512) return true;
    const { tables, capacities } = this;
    for (let i = 0; i < tables.length; i++) {
      if (tables[i]!.capacity !== capacities[i]) return true;
    }
    return false;
  }
}

function storeVmf(vmf: Vmf, words: Int32Array, start: number): number {
  let at = start;
  words[at++] = vmf.task;
  words[at++] = vmf.mm;
  words[at++] = vmf.vma;
  words[at++] = vmf.vpn;
  words[at++] = vmf.flags;
  words[at++] = vmf.phase;
  words[at++] = vmf.pmdSlot;
  words[at++] = vmf.pteSlot;
  words[at++] = vmf.origPte;
  words[at++] = vmf.page;
  words[at++] = vmf.cowPage;
  words[at++] = vmf.folio;
  words[at++] = vmf.order;
  words[at++] = vmf.orders;
  words[at++] = vmf.gathered;
  return start + VMF_WORDS;
}

function loadVmf(vmf: Vmf, words: Int32Array, start: number): number {
  let at = start;
  vmf.task = words[at++]!;
  vmf.mm = words[at++]!;
  vmf.vma = words[at++]!;
  vmf.vpn = words[at++]!;
  vmf.flags = words[at++]!;
  vmf.phase = words[at++]!;
  vmf.pmdSlot = words[at++]!;
  vmf.pteSlot = words[at++]!;
  vmf.origPte = words[at++]!;
  vmf.page = words[at++]!;
  vmf.cowPage = words[at++]!;
  vmf.folio = words[at++]!;
  vmf.order = words[at++]!;
  vmf.orders = words[at++]!;
  vmf.gathered = words[at++]!;
  return start + VMF_WORDS;
}
