/** A trace as a program that allocates and frees leaves it: mappings, first touches, unmaps. */
import { emptyMeta, OP_EXEC, OP_MMAP, OP_MUNMAP, Random, TraceBuilder } from './machine.js';

const PID = 100;
const TOP = 0x7f0000000;

/** `touches` first touches, 85 % of the pages of each mapping; two mappings of five are unmapped. */
export function makeTrace(touches) {
  const random = new Random(1);
  const builder = new TraceBuilder(touches + 4096);
  let time = 0;
  let at = TOP;
  let left = touches;
  const row = builder.add(time, PID, PID, OP_EXEC);
  builder.events.name[row] = builder.name('/usr/bin/bench');
  while (left > 0) {
    const pages = 256 + random.below(2048);
    at -= pages;
    time += 1000;
    const mapped = builder.add(time, PID, PID, OP_MMAP, 0, 0, pages * 4096);
    builder.detail(mapped, 3, 0x22, 0, 0, at);
    for (let i = 0; i < pages && left > 0; i++) {
      if (!random.chance(85)) continue;
      time += 2500;
      builder.touch(time, PID, PID, at + i, 0, 2, 1);
      left--;
    }
    if (!random.chance(40)) continue;
    time += 1000;
    builder.add(time, PID, PID, OP_MUNMAP, at, 0, pages * 4096);
    at += pages;
  }
  const machine = {
    ...emptyMeta('tracepoints', 'bench').machine,
    memory: 24 * 2 ** 30,
    noZeroPage: true,
  };
  return builder.finish({ ...emptyMeta('tracepoints', 'bench'), machine, thpDisabled: true });
}
