/**
 * The image that an execve maps, put together from what perf says of each mapping:
 *
 *     what perf writes                       what the trace has
 *     COMM exec                              EXEC  image
 *     MMAP2 [a, e) whole file                MAP   [a, b)  first part   (ascending, no overlaps;
 *     MMAP2 [b, e) second part, over it      MAP   [b, e)  second part   a later one covers)
 *     MMAP2 [stack]                          MAP   [stack]
 *     page faults of the kernel's loader     PRESENT  the stack's pages with the arguments
 *     sched_process_exec                     TOUCH  those faults
 *
 * Invented: PRESENT. The kernel fills the pages of arguments and environment before the program's
 * page tables are in use, so that they take no fault; they are the stack's pages above the highest
 * one that the loader faulted in.
 */
import {
  OP_EXEC,
  OP_MAP,
  OP_PRESENT,
  PRESENT_ANON,
  PRESENT_WRITABLE,
  type TraceBuilder,
} from '../trace/index.ts';

export interface ImageMap {
  /** Pages, half open. */
  readonly start: number;
  readonly end: number;
  readonly prot: number;
  readonly flags: number;
  /** Page of the file that `start` maps. */
  readonly pgoff: number;
  readonly name: string;
}

interface Touch {
  readonly vpn: number;
  readonly offset: number;
  readonly access: number;
  readonly fault: number;
}

/** `maps` with `added` over them. */
export function overlay(maps: readonly ImageMap[], added: ImageMap): ImageMap[] {
  const out: ImageMap[] = [];
  for (const map of maps) {
    if (map.end <= added.start || map.start >= added.end) {
      out.push(map);
      continue;
    }
    if (map.start < added.start) out.push({ ...map, end: added.start });
    if (map.end > added.end) {
      out.push({ ...map, start: added.end, pgoff: map.pgoff + added.end - map.start });
    }
  }
  out.push(added);
  return out.sort((a, b) => a.start - b.start);
}

export function addMap(
  builder: TraceBuilder,
  time: number,
  pid: number,
  tid: number,
  map: ImageMap,
): void {
  const row = builder.add(time, pid, tid, OP_MAP, map.start, 0, (map.end - map.start) * 4096);
  builder.detail(row, map.prot, map.flags, map.pgoff, builder.name(map.name), 0);
}

export class ExecImage {
  #maps: readonly ImageMap[] = [];
  readonly #touches: Touch[] = [];

  map(added: ImageMap): void {
    this.#maps = overlay(this.#maps, added);
  }

  touch(vpn: number, offset: number, access: number, fault: number): void {
    this.#touches.push({ vpn, offset, access, fault });
  }

  emit(builder: TraceBuilder, time: number, pid: number, image: string): void {
    const row = builder.add(time, pid, pid, OP_EXEC);
    builder.events.name[row] = builder.name(image);
    for (const map of this.#maps) {
      addMap(builder, time, pid, pid, map);
      if (map.name === '[stack]') this.#arguments(builder, time, pid, map);
    }
    for (const { vpn, offset, access, fault } of this.#touches) {
      builder.touch(time, pid, pid, vpn, offset, access, fault);
    }
  }

  #arguments(builder: TraceBuilder, time: number, pid: number, stack: ImageMap): void {
    let top = -1;
    for (const { vpn } of this.#touches) {
      if (vpn >= stack.start && vpn < stack.end && vpn > top) top = vpn;
    }
    if (top < 0 || top + 1 >= stack.end) return;
    const length = (stack.end - top - 1) * 4096;
    const row = builder.add(time, pid, pid, OP_PRESENT, top + 1, 0, length);
    builder.events.arg[row] = PRESENT_ANON | PRESENT_WRITABLE;
  }
}
