/**
 * The page tables of a live process, read from outside: /proc/PID/{smaps,pagemap} for what is
 * mapped, /proc/kpageflags for the folios behind it. Nothing is written and no process is stopped;
 * a page that moves between the two reads counts as a small one.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { LIVE_ANON, LIVE_ZERO, type LiveMapping, type LivePages } from '../scenario/live.ts';
import { parseMaps } from '../scenario/proc_text.ts';

/** What stands in the way; the text says what was asked and what to do. */
export class LiveRefusal extends Error {}

/** pagemap entries read at once. */
const CHUNK_PAGES = 1 << 16;
/** kpageflags entries read at once: one PMD's worth, the largest folio of the page cache. */
const BLOCK_PAGES = 512;

/** pagemap: bit 63 present, bits 0-54 the frame. High word of an entry. */
const PM_PRESENT_HIGH = 0x80000000;
const PM_FRAME_HIGH = 0x7fffff;

/** kpageflags bits (include/uapi/linux/kernel-page-flags.h); all of them in the low word. */
const KPF_ANON = 1 << 12;
const KPF_COMPOUND_HEAD = 1 << 15;
const KPF_COMPOUND_TAIL = 1 << 16;
const KPF_HUGE = 1 << 17;
const KPF_ZERO_PAGE = 1 << 24;

/** Entries of 8 bytes at index `first`, as words low, high, low, high, …; shorter at the end. */
function readEntries(fd: number, first: number, count: number, into: Buffer): Uint32Array {
  const want = count * 8;
  let got = 0;
  while (got < want) {
    const n = readSync(fd, into, got, want - got, first * 8 + got);
    if (n === 0) break;
    got += n;
  }
  return new Uint32Array(into.buffer, into.byteOffset, (got >> 3) * 2);
}

/** /proc/kpageflags through a cache of blocks: the low words. */
class FrameFlags {
  readonly #fd: number;
  readonly #blocks = new Map<number, Uint32Array>();
  readonly #buffer = Buffer.alloc(BLOCK_PAGES * 8);

  constructor(fd: number) {
    this.#fd = fd;
  }

  block(pfn: number): Uint32Array {
    const number = Math.floor(pfn / BLOCK_PAGES);
    const known = this.#blocks.get(number);
    if (known !== undefined) return known;
    const words = readEntries(this.#fd, number * BLOCK_PAGES, BLOCK_PAGES, this.#buffer);
    const low = new Uint32Array(BLOCK_PAGES);
    for (let i = 0; i < words.length; i += 2) low[i >> 1] = words[i]!;
    this.#blocks.set(number, low);
    return low;
  }
}

interface Folio {
  readonly head: number;
  readonly pages: number;
}

/** The folio around a frame: tails follow their head. Folios of hugetlb are not looked at. */
function folioOf(flags: FrameFlags, pfn: number): Folio {
  const block = flags.block(pfn);
  const base = pfn - (pfn % BLOCK_PAGES);
  let first = pfn - base;
  if ((block[first]! & (KPF_COMPOUND_HEAD | KPF_COMPOUND_TAIL)) === 0)
    return { head: pfn, pages: 1 };
  if ((block[first]! & KPF_HUGE) !== 0) return { head: pfn, pages: 1 };
  while (first > 0 && (block[first]! & KPF_COMPOUND_TAIL) !== 0) first--;
  if ((block[first]! & KPF_COMPOUND_HEAD) === 0) return { head: pfn, pages: 1 };
  let end = first + 1;
  while (end < BLOCK_PAGES && (block[end]! & KPF_COMPOUND_TAIL) !== 0) end++;
  const pages = 1 << (31 - Math.clz32(end - first));
  return { head: base + first, pages };
}

interface Growing {
  readonly vpn: number[];
  readonly pfn: number[];
}

function presentPages(fd: number, startVpn: number, endVpn: number, buffer: Buffer): Growing {
  const vpn: number[] = [];
  const pfn: number[] = [];
  for (let at = startVpn; at < endVpn; at += CHUNK_PAGES) {
    const count = Math.min(CHUNK_PAGES, endVpn - at);
    const words = readEntries(fd, at, count, buffer);
    for (let i = 0; i < words.length; i += 2) {
      const high = words[i + 1]!;
      if ((high & PM_PRESENT_HIGH) === 0) continue;
      vpn.push(at + (i >> 1));
      pfn.push((high & PM_FRAME_HIGH) * 2 ** 32 + words[i]!);
    }
  }
  return { vpn, pfn };
}

function livePages(found: Growing, flags: FrameFlags): LivePages {
  const n = found.vpn.length;
  const live: LivePages = {
    vpn: Float64Array.from(found.vpn),
    pfn: Float64Array.from(found.pfn),
    head: new Float64Array(n),
    pages: new Uint16Array(n),
    bits: new Uint8Array(n),
  };
  let folio: Folio = { head: -1, pages: 0 };
  for (let i = 0; i < n; i++) {
    const pfn = live.pfn[i]!;
    if (pfn < folio.head || pfn >= folio.head + folio.pages || folio.head < 0) {
      folio = folioOf(flags, pfn);
    }
    live.head[i] = folio.head;
    live.pages[i] = folio.pages;
    const word = flags.block(pfn)[pfn % BLOCK_PAGES]!;
    const headWord = flags.block(folio.head)[folio.head % BLOCK_PAGES]!;
    live.bits[i] =
      ((headWord & KPF_ANON) !== 0 ? LIVE_ANON : 0) |
      ((word & KPF_ZERO_PAGE) !== 0 ? LIVE_ZERO : 0);
  }
  return live;
}

const KB_PER_PAGE = 4;

function readText(path: string, pid: number): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') throw new LiveRefusal(`no process ${pid}`);
    throw new LiveRefusal(`${path} cannot be read: ${code}; run as root, or as the process's user`);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LiveRefusal(`${path} cannot be opened: ${code}; folios can be seen by root only`);
  }
}

export interface LiveProcess {
  readonly pid: number;
  readonly command: string;
  readonly mappings: readonly LiveMapping[];
}

/** Reads one process. Throws LiveRefusal when it is not there, or cannot be looked at. */
export function readLiveProcess(pid: number): LiveProcess {
  const command = readText(`/proc/${pid}/comm`, pid).trim();
  const maps = parseMaps(readText(`/proc/${pid}/smaps`, pid));
  if (maps.length === 0) {
    throw new LiveRefusal(`process ${pid} (${command}) has no memory of its own: a kernel thread`);
  }
  if ((maps[0]!.smaps?.['KernelPageSize'] ?? KB_PER_PAGE) !== KB_PER_PAGE) {
    throw new LiveRefusal('pages of other sizes than 4 kB are not understood');
  }
  const pagemap = openFile(`/proc/${pid}/pagemap`);
  let kpageflags = -1;
  try {
    kpageflags = openFile('/proc/kpageflags');
    const flags = new FrameFlags(kpageflags);
    const buffer = Buffer.alloc(CHUNK_PAGES * 8);
    const mappings = maps.map((vma): LiveMapping => {
      const { startVpn, endVpn, perms, name, smaps } = vma;
      const found = presentPages(pagemap, startVpn, endVpn, buffer);
      if (found.pfn.length > 0 && found.pfn.every((pfn) => pfn === 0)) {
        throw new LiveRefusal(
          `the frames of process ${pid} are hidden; they can be seen by root only`,
        );
      }
      const kb = (key: string) => smaps?.[key] ?? 0;
      const pmd = kb('AnonHugePages') + kb('ShmemPmdMapped') + kb('FilePmdMapped');
      const pages = livePages(found, flags);
      return { startVpn, endVpn, perms, name, pmdPages: pmd / KB_PER_PAGE, pages };
    });
    return { pid, command, mappings };
  } finally {
    closeSync(pagemap);
    if (kpageflags >= 0) closeSync(kpageflags);
  }
}
