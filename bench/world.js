/** A machine with one task, and its calls in page numbers. */
import {
  access,
  bootMachine,
  findKernel,
  newRow,
  sysMadvise,
  sysMmap,
  sysMprotect,
  sysMremap,
  sysMunmap,
  word,
} from './machine.js';

const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MMAP_TOP = 0x7ffff7fff;

export function makeWorld(pages, kernel = '6.18') {
  const m = bootMachine({ release: findKernel(kernel), pages, contents: false });
  const mm = newRow(m.mm);
  const task = newRow(m.task);
  const sig = newRow(m.sig);
  m.mm.users[mm] = 1;
  m.mm.mmapBase[mm] = MMAP_TOP;
  m.task.mm[task] = mm;
  m.task.sig[task] = sig;
  m.task.alive[task] = 1;
  for (const name of m.sig.columnNames) {
    if (/(Cur|Max)$/.test(name)) m.sig[name][sig] = Infinity;
  }
  const world = { m, mm, task };
  // MADV_DONTNEED: the entries go, cached pages stay.
  world.drop = (at, pages) => advise(world, at, pages, 4);
  return world;
}

const page = (n) => word.fromPage(n);

/** mmap(MAP_FIXED | MAP_ANONYMOUS); the first page or -errno. */
export function map({ m, task }, at, pages, shared, prot = 3) {
  return sysMmap(m, task, {
    addr: page(at),
    len: page(pages),
    prot: word.fromNumber(prot),
    flags: word.fromNumber((shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | MAP_ANONYMOUS),
    file: 0,
    offset: word.ZERO,
  });
}

export function unmap({ m, task }, at, pages) {
  return sysMunmap(m, task, page(at), page(pages));
}

export function protect({ m, task }, at, pages, prot) {
  return sysMprotect(m, task, page(at), page(pages), word.fromNumber(prot), -1);
}

export function advise({ m, task }, at, pages, advice) {
  return sysMadvise(m, task, page(at), page(pages), advice);
}

/** mremap(MREMAP_MAYMOVE | MREMAP_FIXED). */
export function move({ m, task }, from, pages, to) {
  return sysMremap(m, task, {
    addr: page(from),
    oldLen: page(pages),
    newLen: page(pages),
    flags: word.fromNumber(3),
    newAddr: page(to),
  });
}

/** Touches [at, at+pages), every `step` pages. Returns the sum of what the accesses came to. */
export function touch({ m, task }, at, pages, step, kind) {
  let sum = 0;
  for (let vpn = at; vpn < at + pages; vpn += step) sum += access(m, task, vpn, kind);
  return sum;
}
