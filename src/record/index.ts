export * from './import_stream.ts';
export * from './machine.ts';
