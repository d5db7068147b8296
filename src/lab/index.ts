export { compareProgram } from './compare.ts';
export { folioName } from './folio_name.ts';
export { type KernelEntry, kernelList } from './kernels.ts';
export * from './report.ts';
export { DEFAULT_MEMORY, type RunOptions, releaseOf, runProgram, summaryOf } from './run.ts';
export { whyProgram } from './why.ts';
