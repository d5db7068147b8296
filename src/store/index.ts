export * from './codes.ts';
export * from './trace_parts.ts';
export * from './trace_reader.ts';
export * from './trace_writer.ts';
