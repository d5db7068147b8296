/**
 * Random programs as scenario text: typed, seeded, weighted towards shared memory, fork, mremap to
 * odd addresses, partial unmaps and populated ranges. Most memory lies in a few named mappings
 * inside a fixed 8 MiB window, so that steps meet.
 */
import type { Random } from '../base/index.ts';
import { oddStep } from './generate_odd.ts';
import { rareStep } from './generate_rare.ts';
import { type Area, type FileKind, GenState } from './generate_state.ts';

export interface GenerateOptions {
  readonly steps: number;
  /** Lines that the program begins with: settings. */
  readonly head: readonly string[];
}

const PROTS = ['PROT_READ|PROT_WRITE', 'PROT_READ|PROT_WRITE', 'PROT_READ', 'PROT_NONE'];

/** Pages of an access: mostly, and at most. */
const LONG_TOUCH = 33;
const TOUCH_MAX = 600;

const ADVICE = [
  ...['MADV_HUGEPAGE', 'MADV_HUGEPAGE', 'MADV_HUGEPAGE', 'MADV_NOHUGEPAGE', 'MADV_DONTNEED'],
  ...['MADV_DONTNEED', 'MADV_FREE', 'MADV_FREE', 'MADV_COLD', 'MADV_PAGEOUT', 'MADV_POPULATE_READ'],
  ...['MADV_POPULATE_WRITE', 'MADV_COLLAPSE', 'MADV_REMOVE', 'MADV_GUARD_INSTALL', 'MADV_DONTFORK'],
  ...['MADV_GUARD_REMOVE', 'MADV_DOFORK', 'MADV_WIPEONFORK', 'MADV_KEEPONFORK', 'MADV_RANDOM'],
  ...['MADV_SEQUENTIAL', 'MADV_NORMAL', 'MADV_WILLNEED', 'MADV_DONTDUMP', 'MADV_DODUMP'],
  ...['MADV_DONTNEED_LOCKED'],
];

class Generator {
  readonly s: GenState;
  readonly #r: Random;

  constructor(random: Random) {
    this.#r = random;
    this.s = new GenState(random);
  }

  step(): void {
    const r = this.#r;
    if (this.s.areas.length === 0) {
      this.#map();
      return;
    }
    const choice = r.below(100);
    if (choice < 39) this.#touch();
    else if (choice < 47) this.#map();
    else if (choice < 54) this.#mremap();
    else if (choice < 59) this.#unmap();
    else if (choice < 64) this.#protect();
    else if (choice < 75) this.#advise();
    else if (choice < 79) this.#fork();
    else if (choice < 84) this.#file();
    else if (choice < 86) this.#lock();
    else if (choice < 97) rareStep(this.s);
    else oddStep(this.s);
  }

  #touch(): void {
    const { s } = this;
    const r = this.#r;
    const { area, at, pages } = s.range();
    const verb = r.chance(58) ? 'write' : r.chance(95) ? 'read' : 'exec';
    // A fault is what costs most on the other side, and the hundredth in a row seldom tells more.
    const most = r.chance(80) ? LONG_TOUCH : TOUCH_MAX;
    const length = pages === 1 ? '' : ` ${s.bytes(Math.min(pages, most))}`;
    s.put(`${s.taskOf(area)}: ${verb} ${at}${length}`);
  }

  #map(): void {
    const { s } = this;
    const r = this.#r;
    const pages = s.pages();
    const start = s.place(pages);
    const prot = r.chance(85) ? PROTS[0]! : r.pick(PROTS);
    const kind = r.below(100);
    const extra = r.chance(6)
      ? r.pick(['|MAP_POPULATE', '|MAP_NORESERVE', '|MAP_STACK', '|MAP_LOCKED'])
      : '';
    if (kind < 30 || (kind >= 60 && s.fds.length === 0 && !this.#makeFd())) {
      this.#map1(start, pages, prot, `MAP_PRIVATE|MAP_ANONYMOUS${extra}`, 'anon', '', 0);
      return;
    }
    if (kind < 60) {
      this.#map1(start, pages, prot, `MAP_SHARED|MAP_ANONYMOUS${extra}`, 'shared', '', 0);
      return;
    }
    if (s.fds.length < 3 && r.chance(30)) this.#makeFd();
    const fd = r.pick(s.fds);
    const offset = r.chance(50) ? 0 : r.below(Math.max(1, fd.pages));
    const share = r.chance(65) ? 'MAP_SHARED' : 'MAP_PRIVATE';
    this.#map1(start, pages, prot, `${share}${extra}`, fd.kind, fd.name, offset);
  }

  #map1(
    start: number,
    pages: number,
    prot: string,
    flags: string,
    kind: Area['kind'],
    fd: string,
    offset: number,
  ): void {
    const { s } = this;
    const name = s.name('m');
    // A descriptor of the first task is known to tasks that were forked later only.
    const task = fd === '' ? s.task() : 't0';
    // Where the kernel chooses the address, later steps name it by what mmap gave.
    const chosen = this.#r.chance(8);
    const at = chosen ? 'NULL' : s.address(start);
    const fixed = chosen ? '' : '|MAP_FIXED';
    const rest = `${flags}${fixed}, ${fd === '' ? '-1' : fd}, ${s.bytes(offset)}`;
    s.put(`${task}: ${name} = mmap(${at}, ${s.bytes(pages)}, ${prot}, ${rest})`);
    s.areas.push({ start: chosen ? 0 : start, base: chosen ? name : '', pages, kind, fd, task });
  }

  #makeFd(): boolean {
    const { s } = this;
    const r = this.#r;
    const name = s.name('f');
    const kind: FileKind = r.pick(['memfd', 'memfd', 'tmpfs', 'disk'] as const);
    const pages = s.pages();
    const path = kind === 'memfd' ? undefined : `${kind === 'tmpfs' ? '/dev/shm' : '/tmp'}/${name}`;
    if (path === undefined) {
      const sealing = r.chance(25) ? 'MFD_ALLOW_SEALING' : '0';
      s.put(`t0: ${name} = memfd_create("${name}", ${sealing})`);
    } else {
      const flags = r.chance(92) ? 'O_RDWR|O_CREAT' : 'O_RDWR|O_CREAT|O_TRUNC';
      s.put(`t0: ${name} = open("${path}", ${flags}, 0600)`);
    }
    const bytes = r.chance(80) ? s.bytes(pages) : String(pages * 4096 - 1 - r.below(4000));
    s.put(`t0: ftruncate(${name}, ${bytes})`);
    s.fds.push({ name, kind, pages, ...(path === undefined ? {} : { path }) });
    return true;
  }

  #mremap(): void {
    const { s } = this;
    const r = this.#r;
    const area = r.pick(s.areas);
    const whole = r.chance(60);
    const offset = whole ? 0 : r.below(area.pages);
    const pages = whole ? area.pages : 1 + r.below(area.pages - offset);
    const from = s.at(area, offset);
    const grown = r.chance(70) ? pages : Math.max(1, pages + r.below(33) - 12);
    const task = s.taskOf(area);
    const size = `${s.bytes(r.chance(3) ? 0 : pages)}, ${s.bytes(grown)}`;
    if (r.chance(12)) {
      s.put(`${task}: mremap(${from}, ${size}, ${r.chance(50) ? 0 : 'MREMAP_MAYMOVE'})`);
      return;
    }
    const start = s.place(grown);
    const flags = r.chance(10) ? '|MREMAP_DONTUNMAP' : '';
    s.put(
      `${task}: mremap(${from}, ${size}, MREMAP_MAYMOVE|MREMAP_FIXED${flags}, ${s.address(start)})`,
    );
    s.areas.push({ ...area, start, base: '', pages: grown });
  }

  #unmap(): void {
    const { s } = this;
    const { area, at, pages } = s.range();
    s.put(`${s.taskOf(area)}: munmap(${at}, ${s.bytes(pages)})`);
  }

  #protect(): void {
    const { s } = this;
    const { area, at, pages } = s.range();
    const prot = this.#r.chance(90) ? this.#r.pick(PROTS) : 'PROT_READ|PROT_EXEC';
    s.put(`${s.taskOf(area)}: mprotect(${at}, ${s.bytes(pages)}, ${prot})`);
  }

  #advise(): void {
    const { s } = this;
    const { area, at, pages } = s.range();
    s.put(`${s.taskOf(area)}: madvise(${at}, ${s.bytes(pages)}, ${this.#r.pick(ADVICE)})`);
  }

  #fork(): void {
    const { s } = this;
    const r = this.#r;
    if (s.tasks.length < 4 && r.chance(70)) {
      const name = s.newTask();
      s.put(`${s.task()}: ${name} = fork()`);
      s.tasks.push(name);
    } else if (s.tasks.length > 1 && r.chance(25)) {
      s.put(`${s.tasks.pop()!}: exit(0)`);
    }
  }

  #file(): void {
    const { s } = this;
    const r = this.#r;
    if (s.fds.length === 0) {
      this.#makeFd();
      return;
    }
    const fd = r.pick(s.fds);
    const kind = r.below(5);
    if (kind === 0) {
      const size = r.below(fd.pages + 8);
      const bytes = r.chance(70) ? s.bytes(size) : String(r.below(fd.pages * 4096 + 1));
      s.put(`t0: ftruncate(${fd.name}, ${bytes})`);
      return;
    }
    const from = r.below(fd.pages);
    const pages = 1 + r.below(fd.pages - from);
    const offset = r.chance(80) ? s.bytes(from) : String(from * 4096 + r.below(4096));
    if (kind === 1) {
      const range = `${offset}, ${s.bytes(pages)}`;
      s.put(`t0: fallocate(${fd.name}, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, ${range})`);
    } else if (kind === 2) {
      const keep = r.chance(50) ? 'FALLOC_FL_KEEP_SIZE' : '0';
      s.put(`t0: fallocate(${fd.name}, ${keep}, ${offset}, ${s.bytes(pages)})`);
    } else if (kind === 3) {
      s.put(`t0: pwrite64(${fd.name}, "data", 4, ${offset})`);
    } else {
      const { at } = s.range();
      const call = r.pick(['pread64', 'pwrite64']);
      s.put(`t0: ${call}(${fd.name}, ${at}, ${s.bytes(Math.min(pages, 40))}, ${s.bytes(from)})`);
    }
  }

  #lock(): void {
    const { s } = this;
    const { area, at, pages } = s.range();
    const verb = this.#r.pick(['mlock', 'munlock', 'munlock']);
    s.put(`${s.taskOf(area)}: ${verb}(${at}, ${s.bytes(pages)})`);
  }
}

/** A program of about `steps` steps behind its head. The same random state gives the same text. */
export function generateProgram(random: Random, options: GenerateOptions): string {
  const generator = new Generator(random);
  while (generator.s.lines.length < options.steps) generator.step();
  return `${[...options.head, ...generator.s.lines].join('\n')}\n`;
}
