<<<<<<< HEAD
export * from './check_view.ts';
=======
export * from './advise_view.ts';
>>>>>>> fef7a90 (advise, sweep, cli: many settings on one trace, and one recommendation)
export * from './compare_view.ts';
export * from './inspect_view.ts';
export * from './kernels_view.ts';
export * from './replay_view.ts';
export * from './run_view.ts';
export type { ViewOptions } from './task_view.ts';
export * from './text.ts';
export * from './trace_view.ts';
export * from './why_view.ts';
export { addressOf, vpnOf } from './words.ts';
