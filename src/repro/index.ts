export { REPRO_CODES, type Repro, type ReproOptions, reproProgram } from './c_file.ts';
