export * from './assert.ts';
export * from './columns.ts';
export * from './diagnostic.ts';
export * from './errno.ts';
export * from './random.ts';
export type { U64 } from './u64.ts';
export * as word from './u64.ts';
export * from './units.ts';
