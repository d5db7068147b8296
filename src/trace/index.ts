export * from './builder.ts';
export * from './events.ts';
export * from './meta.ts';
export * from './ops.ts';
