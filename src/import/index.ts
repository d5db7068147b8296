export { FileNames } from './file_names.ts';
export * from './import_log.ts';
export {
  IMPORT_CODES,
  type ImportCode,
  type Importer,
  type ImportFacts,
  ImportReport,
} from './importer.ts';
export { Lines } from './lines.ts';
export { MEMORY_CALLS } from './perf_calls.ts';
export { PerfImporter } from './perf_importer.ts';
export type { PerfOptions } from './perf_processes.ts';
export { StraceImporter } from './strace_importer.ts';
