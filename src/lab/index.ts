export { compareProgram } from './compare.ts';
export { folioName } from './folio_name.ts';
export { kernelList, type KernelEntry } from './kernels.ts';
export * from './report.ts';
export { DEFAULT_MEMORY, releaseOf, type RunOptions, runProgram, summaryOf } from './run.ts';
export { whyProgram } from './why.ts';
