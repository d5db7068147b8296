export * from './apply.ts';
export * from './candidate.ts';
export * from './cost.ts';
export * from './front.ts';
export * from './heat.ts';
export * from './outcome.ts';
export * from './report.ts';
export * from './settings_text.ts';
