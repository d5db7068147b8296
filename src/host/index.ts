export type { ExpectResult, OperandValue } from '../scenario/expectations.ts';
export { type Ability, abilitiesOf, configOf } from './abilities.ts';
export type { Level } from './encode.ts';
export { freshByte } from './evaluate.ts';
export { type ExecuteOptions, type HostInfo, HostKernel, type HostOptions } from './host_kernel.ts';
export type { HostLayout } from './layout.ts';
export { openHostKernel, type Unavailable } from './open.ts';
export { HOST_CODES, type HostCode } from './report.ts';
export type { HostTranscript } from './transcript.ts';
