export * from './build_launcher.ts';
export * from './codes.ts';
export * from './convert.ts';
export * from './import_stream.ts';
export * from './machine.ts';
export * from './raw_folder.ts';
export * from './record.ts';
export * from './thp_guard.ts';
