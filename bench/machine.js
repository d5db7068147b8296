/** What the benchmarks call, bundled from source as the program itself is (main.js). */
export { newRow, Random, word } from '../src/base/index.ts';
export { LogImport } from '../src/import/index.ts';
export { bootMachine } from '../src/mm/boot.ts';
export { sysMadvise } from '../src/mm/madvise.ts';
export { ACCESS_READ, ACCESS_WRITE, access } from '../src/mm/memory.ts';
export { sysMmap } from '../src/mm/mmap.ts';
export { sysMprotect } from '../src/mm/mprotect.ts';
export { sysMremap } from '../src/mm/mremap.ts';
export { sysMunmap } from '../src/mm/munmap.ts';
export { findKernel } from '../src/mm/release.ts';
export { vmaLookup } from '../src/mm/vma_tree.ts';
export { releaseNamed, runReplay, startReplay, THP_ROOT } from '../src/replay/index.ts';
export { readTrace, TraceWriter } from '../src/store/index.ts';
export { prepareFor } from '../src/sweep/long_run.ts';
export { emptyMeta, OP_EXEC, OP_MMAP, OP_MUNMAP, TraceBuilder } from '../src/trace/index.ts';
