/**
 * Random programs as scenario text: typed, seeded, weighted towards shared memory, fork, mremap to
 * odd addresses, partial unmaps and populated ranges. Memory lies in a few named mappings inside a
 * fixed 8 MiB window, so that steps meet.
 */
import type { Random } from '../base/index.ts';

export interface GenerateOptions {
  readonly steps: number;
  /** Write settings (per-size folios) at the head of the program. */
  readonly settings: boolean;
}

const WINDOW = 0x40000000;
const WINDOW_PAGES = 2048;
const SIZES_KB = [8, 16, 32, 64, 128, 256, 512, 1024, 2048];
const THP = '/sys/kernel/mm/transparent_hugepage';
const PROTS = ['PROT_READ|PROT_WRITE', 'PROT_READ|PROT_WRITE', 'PROT_READ', 'PROT_NONE'];

interface Area {
  start: number;
  pages: number;
  kind: 'anon' | 'shared' | 'memfd' | 'tmpfs' | 'disk';
  fd: string;
}

class Generator {
  readonly lines: string[] = [];
  readonly #r: Random;
  readonly #areas: Area[] = [];
  readonly #tasks = ['t0'];
  #names = 0;
  /** Tasks ever made: a name is used once. */
  #born = 0;
  readonly #fds: { name: string; kind: Area['kind']; pages: number }[] = [];

  constructor(random: Random) {
    this.#r = random;
  }

  settings(): void {
    const r = this.#r;
    for (const kb of SIZES_KB) {
      if (kb >= 16 && r.chance(35)) this.#put(`echo madvise > ${THP}/hugepages-${kb}kB/enabled`);
      if (r.chance(30)) {
        const value = r.pick(['advise', 'always', 'within_size', 'inherit', 'never']);
        this.#put(`echo ${value} > ${THP}/hugepages-${kb}kB/shmem_enabled`);
      }
    }
  }

  #put(text: string): void {
    this.lines.push(text);
  }

  #task(): string {
    return this.#r.pick(this.#tasks);
  }

  #pages(): number {
    const r = this.#r;
    const kind = r.below(10);
    if (kind < 3) return 1 + r.below(8);
    if (kind < 6) return r.pick([4, 16, 32, 64, 128]);
    if (kind < 8) return 1 + r.below(200);
    return r.pick([256, 512, 513, 511, 1024]);
  }

  /** A page in the window: often aligned to a folio size, or just off it. */
  #place(pages: number): number {
    const r = this.#r;
    const room = WINDOW_PAGES - pages;
    const raw = r.below(Math.max(1, room));
    const align = r.pick([1, 1, 4, 16, 64, 512]);
    const aligned = raw - (raw % align);
    return Math.min(room, Math.max(0, aligned + (r.chance(25) ? 1 : 0)));
  }

  #address(page: number): string {
    return `0x${(WINDOW + page * 4096).toString(16)}`;
  }

  #bytes(pages: number): string {
    return `${pages * 4}K`;
  }

  /** A range: usually inside a known area, sometimes past its end, sometimes anywhere. */
  #range(): { start: number; pages: number } {
    const r = this.#r;
    const area = this.#areas.length > 0 && r.chance(92) ? r.pick(this.#areas) : undefined;
    if (area === undefined) return { start: this.#place(4), pages: 1 + r.below(16) };
    if (r.chance(30)) return { start: area.start, pages: area.pages };
    const offset = r.below(area.pages);
    const rest = area.pages - offset;
    const pages = r.chance(40) ? 1 : 1 + r.below(Math.min(rest, r.pick([4, 16, 64, 512])));
    return { start: area.start + offset, pages: pages + (r.chance(4) ? 2 : 0) };
  }

  step(): void {
    const r = this.#r;
    if (this.#areas.length === 0) {
      this.#map();
      return;
    }
    const choice = r.below(100);
    if (choice < 42) this.#touch();
    else if (choice < 52) this.#map();
    else if (choice < 60) this.#mremap();
    else if (choice < 67) this.#unmap();
    else if (choice < 72) this.#protect();
    else if (choice < 86) this.#advise();
    else if (choice < 90) this.#fork();
    else if (choice < 95) this.#file();
    else if (choice < 98) this.#lock();
    else this.#odd();
  }

  #touch(): void {
    const { start, pages } = this.#range();
    const r = this.#r;
    const verb = r.chance(60) ? 'write' : 'read';
    const length = pages === 1 ? '' : ` ${this.#bytes(Math.min(pages, 600))}`;
    this.#put(`${this.#task()}: ${verb} ${this.#address(start)}${length}`);
  }

  #map(): void {
    const r = this.#r;
    const pages = this.#pages();
    const start = this.#place(pages);
    const prot = r.chance(85) ? PROTS[0]! : r.pick(PROTS);
    const kind = r.below(100);
    const at = this.#address(start);
    const extra = r.chance(6) ? r.pick(['|MAP_POPULATE', '|MAP_NORESERVE', '|MAP_STACK']) : '';
    if (kind < 30 || (kind >= 60 && this.#fds.length === 0 && !this.#makeFd())) {
      this.#map1(at, pages, prot, `MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED${extra}`, '-1', 0);
      this.#areas.push({ start, pages, kind: 'anon', fd: '' });
      return;
    }
    if (kind < 60) {
      this.#map1(at, pages, prot, `MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED${extra}`, '-1', 0);
      this.#areas.push({ start, pages, kind: 'shared', fd: '' });
      return;
    }
    if (this.#fds.length < 3 && r.chance(30)) this.#makeFd();
    const fd = r.pick(this.#fds);
    const offset = r.chance(50) ? 0 : r.below(Math.max(1, fd.pages));
    const share = r.chance(65) ? 'MAP_SHARED' : 'MAP_PRIVATE';
    this.#map1(at, pages, prot, `${share}|MAP_FIXED${extra}`, fd.name, offset);
    this.#areas.push({ start, pages, kind: fd.kind, fd: fd.name });
  }

  #map1(at: string, pages: number, prot: string, flags: string, fd: string, offset: number): void {
    const name = `m${this.#names++}`;
    // A descriptor of the first task is known to tasks that were forked later only.
    const task = fd === '-1' ? this.#task() : 't0';
    const off = this.#bytes(offset);
    this.#put(`${task}: ${name} = mmap(${at}, ${this.#bytes(pages)}, ${prot}, ${flags}, ${fd}, ${off})`);
  }

  #makeFd(): boolean {
    const r = this.#r;
    const name = `f${this.#names++}`;
    const kind = r.pick(['memfd', 'memfd', 'tmpfs', 'disk'] as const);
    const pages = this.#pages();
    if (kind === 'memfd') this.#put(`t0: ${name} = memfd_create("${name}", 0)`);
    else {
      const dir = kind === 'tmpfs' ? '/dev/shm' : '/tmp';
      this.#put(`t0: ${name} = open("${dir}/${name}", O_RDWR|O_CREAT, 0600)`);
    }
    const bytes = r.chance(80) ? this.#bytes(pages) : String(pages * 4096 - 1 - r.below(4000));
    this.#put(`t0: ftruncate(${name}, ${bytes})`);
    this.#fds.push({ name, kind, pages });
    return true;
  }

  #mremap(): void {
    const r = this.#r;
    const area = r.pick(this.#areas);
    const whole = r.chance(60);
    const offset = whole ? 0 : r.below(area.pages);
    const pages = whole ? area.pages : 1 + r.below(area.pages - offset);
    const from = this.#address(area.start + offset);
    const grown = r.chance(70) ? pages : Math.max(1, pages + r.below(33) - 12);
    const task = this.#task();
    const size = `${this.#bytes(r.chance(3) ? 0 : pages)}, ${this.#bytes(grown)}`;
    if (r.chance(12)) {
      this.#put(`${task}: mremap(${from}, ${size}, ${r.chance(50) ? 0 : 'MREMAP_MAYMOVE'})`);
      return;
    }
    const start = this.#place(grown);
    const flags = r.chance(10) ? '|MREMAP_DONTUNMAP' : '';
    const to = this.#address(start);
    this.#put(`${task}: mremap(${from}, ${size}, MREMAP_MAYMOVE|MREMAP_FIXED${flags}, ${to})`);
    this.#areas.push({ ...area, start, pages: grown });
  }

  #unmap(): void {
    const { start, pages } = this.#range();
    this.#put(`${this.#task()}: munmap(${this.#address(start)}, ${this.#bytes(pages)})`);
  }

  #protect(): void {
    const { start, pages } = this.#range();
    const prot = this.#r.pick(PROTS);
    this.#put(`${this.#task()}: mprotect(${this.#address(start)}, ${this.#bytes(pages)}, ${prot})`);
  }

  #advise(): void {
    const r = this.#r;
    const { start, pages } = this.#range();
    const advice = r.pick([
      'MADV_HUGEPAGE',
      'MADV_HUGEPAGE',
      'MADV_HUGEPAGE',
      'MADV_NOHUGEPAGE',
      'MADV_DONTNEED',
      'MADV_DONTNEED',
      'MADV_FREE',
      'MADV_COLD',
      'MADV_PAGEOUT',
      'MADV_POPULATE_READ',
      'MADV_POPULATE_WRITE',
      'MADV_COLLAPSE',
      'MADV_REMOVE',
      'MADV_GUARD_INSTALL',
      'MADV_GUARD_REMOVE',
      'MADV_DONTFORK',
      'MADV_DOFORK',
      'MADV_WIPEONFORK',
      'MADV_KEEPONFORK',
      'MADV_RANDOM',
    ]);
    const range = `${this.#address(start)}, ${this.#bytes(pages)}`;
    this.#put(`${this.#task()}: madvise(${range}, ${advice})`);
  }

  #fork(): void {
    const r = this.#r;
    if (this.#tasks.length < 4 && r.chance(70)) {
      const name = `t${++this.#born}`;
      this.#put(`${this.#task()}: ${name} = fork()`);
      this.#tasks.push(name);
    } else if (this.#tasks.length > 1 && r.chance(25)) {
      this.#put(`${this.#tasks.pop()!}: exit(0)`);
    }
  }

  #file(): void {
    const r = this.#r;
    if (this.#fds.length === 0) {
      this.#makeFd();
      return;
    }
    const fd = r.pick(this.#fds);
    const kind = r.below(4);
    if (kind === 0) {
      const bytes = r.chance(70) ? this.#bytes(r.below(fd.pages + 8)) : String(r.below(fd.pages * 4096 + 1));
      this.#put(`t0: ftruncate(${fd.name}, ${bytes})`);
      return;
    }
    const from = r.below(fd.pages);
    const pages = 1 + r.below(fd.pages - from);
    const offset = r.chance(80) ? this.#bytes(from) : String(from * 4096 + r.below(4096));
    if (kind === 1) {
      const range = `${offset}, ${this.#bytes(pages)}`;
      this.#put(`t0: fallocate(${fd.name}, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, ${range})`);
    } else if (kind === 2) {
      const keep = r.chance(50) ? 'FALLOC_FL_KEEP_SIZE' : '0';
      this.#put(`t0: fallocate(${fd.name}, ${keep}, ${offset}, ${this.#bytes(pages)})`);
    } else {
      this.#put(`t0: pwrite64(${fd.name}, "data", 4, ${offset})`);
    }
  }

  #lock(): void {
    const { start, pages } = this.#range();
    const verb = this.#r.pick(['mlock', 'munlock', 'munlock']);
    this.#put(`${this.#task()}: ${verb}(${this.#address(start)}, ${this.#bytes(pages)})`);
  }

  /** Wrong or rare arguments: the errno must agree too. */
  #odd(): void {
    const r = this.#r;
    const { start, pages } = this.#range();
    const at = this.#address(start);
    const size = this.#bytes(pages);
    const task = this.#task();
    this.#put(
      r.pick([
        `${task}: munmap(${at}+1, ${size})`,
        `${task}: mprotect(${at}+1, ${size}, PROT_READ)`,
        `${task}: madvise(${at}, ${size}, 77)`,
        `${task}: mremap(${at}, ${size}, 0, MREMAP_MAYMOVE)`,
        `${task}: msync(${at}, ${size}, MS_SYNC|MS_ASYNC)`,
        `${task}: mmap(${at}, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`,
        `${task}: mmap(NULL, ${size}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`,
        `${task}: mmap(NULL, ${size}, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0)`,
        `${task}: brk(0)`,
      ]),
    );
  }
}

/** A program of about `steps` steps. The same random state gives the same text. */
export function generateProgram(random: Random, options: GenerateOptions): string {
  const generator = new Generator(random);
  if (options.settings) generator.settings();
  const until = generator.lines.length + options.steps;
  while (generator.lines.length < until) generator.step();
  return `${generator.lines.join('\n')}\n`;
}
