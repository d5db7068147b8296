export * from './builder.ts';
export { ByteSink } from './byte_sink.ts';
export * from './events.ts';
export * from './meta.ts';
export * from './ops.ts';
export * from './parquet_form.ts';
export * from './parquet_read.ts';
export * from './parquet_write.ts';
export * from './upgrade.ts';
