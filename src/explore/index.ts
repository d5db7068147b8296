export * from './bounds.ts';
export * from './check_kernel.ts';
export { CheckPart, type CheckShare } from './check_part.ts';
export type { Confirmed } from './confirm.ts';
export type { BranchReport } from './coverage.ts';
export { programOf } from './program_of.ts';
export { VariantError, variantRelease } from './variant.ts';
