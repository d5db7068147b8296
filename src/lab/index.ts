export { compareProgram } from './compare.ts';
export { folioName } from './folio_name.ts';
export {
  type Elsewhere,
  type FileCoverage,
  fileCoverage,
  REACHED_BY,
  type ReachedBy,
  type ScriptCoverage,
} from './fuzz_coverage.ts';
export { findingText, type Origin } from './fuzz_finding.ts';
export {
  BLOCK_PROGRAMS,
  blockSettings,
  isFull,
  type PlanAbilities,
  programText,
} from './fuzz_plan.ts';
export { playIn, type World, worldsBeside } from './fuzz_reach.ts';
export { divergenceKind, shrinkLines } from './fuzz_shrink.ts';
export { type HostRelease, hostRelease } from './host_release.ts';
export { type AnsweredTranscript, hostReport, OTHER_MEMORY } from './host_report.ts';
export {
  type FolioSums,
  type InspectReport,
  inspectReport,
  type MappingReport,
} from './inspect.ts';
export {
  type KernelEntry,
  kernelList,
  kernelNamed,
} from './kernels.ts';
export { judgeRecorded } from './recorded_expect.ts';
export {
  decodeProgramRecord,
  encodeProgramRecord,
  RECORDING_VERSION,
  type RecordedProgram,
  type Recording,
} from './recording.ts';
export * from './report.ts';
export { DEFAULT_MEMORY, type RunOptions, releaseOf, runProgram, summaryOf } from './run.ts';
export {
  type Divergence,
  MASKED,
  mayBeOthers,
  type OtherTranscript,
  type VerifyResult,
  verifyProgram,
} from './verify.ts';
export { whyProgram } from './why.ts';
