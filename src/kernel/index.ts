export type { AssumedFile } from './assume.ts';
export { type BootOptions, Kernel } from './kernel.ts';
export {
  addMapping,
  addToHoles,
  DEFAULT_STACK_TOP,
  type Layout,
  type LayoutVma,
  staticLayout,
  unknownLayout,
  unknownMapping,
} from './layout.ts';
export type { Extent, FileContent } from './proc_paths.ts';
export type { SpawnOptions } from './process.ts';
export type { Config, KernelState, Observed } from './state.ts';
export { callName, callNames } from './syscall_table.ts';
export type { CallResult, StructValue, Value } from './values.ts';
