export * from './calibrate.ts';
export * from './costs_file.ts';
export * from './job.ts';
export * from './long_run.ts';
export * from './pool.ts';
export * from './shared_trace.ts';
