export * from './calls.ts';
export {
  allConstantNames,
  constantNames,
  errnoNumber,
  findConstant,
  formatFlags,
} from './constants.ts';
export { constantValue, evaluateExpr } from './evaluate.ts';
export * from './format.ts';
export { formatArg, formatExpr } from './format_expr.ts';
export { LogReader } from './log_reader.ts';
export * from './parse.ts';
export * from './program.ts';
export { Report, SCENARIO_CODES, type ScenarioCode } from './report.ts';
export { didYouMean, nearest } from './suggest.ts';
