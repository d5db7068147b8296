/**
 * Random memory operations in a window of 4 MiB: 60 % touches, the rest mmap, munmap, mprotect,
 * mremap and madvise. A list is made once, on a model, so that touches go where they are allowed;
 * then the model and the kernel execute the same list and their results are compared.
 *
 * An operation is five int32: kind, page, pages, argument, target page; pages count from the
 * window's start.
 */
import { ACCESS_READ, ACCESS_WRITE, access, Random, vmaLookup } from './machine.js';
import { advise, makeWorld, map, move, protect, unmap } from './world.js';

export const WINDOW_VPN = 0x7e0000000;
export const WINDOW_PAGES = 1024;
const FIELDS = 5;

const WRITE = 0;
const READ = 1;
const MMAP = 2;
const MUNMAP = 3;
const MPROTECT = 4;
const MREMAP = 5;
const MADVISE = 6;
const MADV_DONTNEED = 4;

/** A world whose process has THP off, as the twin in C has. */
export function opsWorld() {
  const world = makeWorld(8192);
  world.m.mm.thpDisable[world.mm] = 1;
  return world;
}

/** Executes one operation; what it returned, as the twin counts it: 0, a page, or -errno. */
function execute(world, list, i) {
  const at = WINDOW_VPN + list[i + 1];
  const pages = list[i + 2];
  switch (list[i]) {
    case WRITE:
      return access(world.m, world.task, at, ACCESS_WRITE);
    case READ:
      return access(world.m, world.task, at, ACCESS_READ);
    case MMAP:
      return fromWindow(map(world, at, pages, (list[i + 3] & 4) !== 0, list[i + 3] & 3));
    case MUNMAP:
      return unmap(world, at, pages);
    case MPROTECT:
      return protect(world, at, pages, list[i + 3]);
    case MREMAP:
      return fromWindow(move(world, at, pages, WINDOW_VPN + list[i + 4]));
    default:
      return advise(world, at, pages, list[i + 3]);
  }
}

function fromWindow(result) {
  return result < 0 ? result : result - WINDOW_VPN;
}

function touchOf(world, random) {
  const kind = random.chance(60) ? WRITE : READ;
  for (let tries = 0; tries < 32; tries++) {
    const page = random.below(WINDOW_PAGES);
    const v = vmaLookup(world.m, world.mm, WINDOW_VPN + page);
    const needed = kind === WRITE ? 2 : 1;
    if (v !== 0 && (world.m.vma.flags[v] & needed) !== 0) return [kind, page, 1, 0, 0];
  }
  return null;
}

function operationOf(world, random) {
  if (random.chance(60)) {
    const touch = touchOf(world, random);
    if (touch !== null) return touch;
  }
  const pages = 1 + random.below(random.chance(20) ? 256 : 16);
  const page = random.below(WINDOW_PAGES - pages + 1);
  const dice = random.below(100);
  if (dice < 40)
    return [MMAP, page, pages, (random.chance(30) ? 4 : 0) | random.pick([1, 3, 3, 3]), 0];
  if (dice < 52) return [MUNMAP, page, pages, 0, 0];
  if (dice < 70) return [MPROTECT, page, pages, random.pick([0, 1, 3, 3]), 0];
  if (dice < 85) return [MREMAP, page, pages, 0, random.below(WINDOW_PAGES - pages + 1)];
  return [MADVISE, page, pages, MADV_DONTNEED, 0];
}

/** `count` operations, the same for a seed. */
export function makeOps(count, seed) {
  const world = opsWorld();
  const random = new Random(seed);
  const list = new Int32Array(count * FIELDS);
  for (let i = 0; i < list.length; i += FIELDS) {
    list.set(operationOf(world, random), i);
    execute(world, list, i);
  }
  return list;
}

/** Runs a list on a fresh model: a hash of all results, and the faults taken. */
export function runOps(world, list) {
  let hash = 0;
  for (let i = 0; i < list.length; i += FIELDS) {
    hash = (Math.imul(hash, 31) + execute(world, list, i)) | 0;
  }
  return { hash, faults: world.m.task.minflt[world.task] };
}
