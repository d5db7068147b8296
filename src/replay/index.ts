export * from './boot.ts';
export * from './census.ts';
export * from './peaks.ts';
export * from './report.ts';
export * from './run.ts';
export * from './state.ts';
export * from './tally.ts';
export * from './warnings.ts';
