/** Text to program: finds out which language the text is, and reads it line by line. */
import type { Diagnostic } from '../base/index.ts';
import { detect } from './dialect.ts';
import { LogReader } from './log_reader.ts';
import type { Program, Step } from './program.ts';
import { Report } from './report.ts';
import { skipSpaces, trimEnd } from './scan.ts';
import { ScenarioParser } from './scenario_parser.ts';

export interface Parsed {
  readonly program: Program;
  /** Any error among them means that nothing may run. */
  readonly diagnostics: Diagnostic[];
}

/** Reads a scenario or an strace log. Never throws, whatever the text holds. */
export function parseProgram(text: string, file: string): Parsed {
  const report = new Report(file);
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const found = detect(body, file);
  const { line, column } = found;
  switch (found.kind) {
    case 'scenario':
      return parseScenario(body, file, report);
    case 'log':
      return parseLog(body, file, report);
    case 'binary':
      report.add('error', 'SCN002', line, column, 'this file is binary, not text');
      break;
    case 'empty':
      report.add('error', 'SCN001', 0, 0, 'this file is empty: it has no steps');
      break;
    case 'neither': {
      const message = 'this is neither a scenario nor an strace log';
      const hint = 'a step is call(arguments), TASK: call(arguments), or a line of strace';
      report.add('error', 'SCN003', line, column, message, hint);
      break;
    }
  }
  const program: Program = { file, dialect: 'scenario', about: '', steps: [], torn: 0 };
  return { program, diagnostics: report.finish() };
}

/** Calls `read` with the bounds of each line; `last` is true for one that no newline ends. */
function eachLine(
  text: string,
  read: (start: number, end: number, line: number, last: boolean) => void,
): void {
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    if (newline < 0) {
      read(start, text.length, line, true);
      return;
    }
    read(start, newline, line, false);
    start = newline + 1;
  }
}

function parseScenario(text: string, file: string, report: Report): Parsed {
  const parser = new ScenarioParser(report);
  eachLine(text, (start, end, line) => parser.line(text, start, end, line));
  parser.finish();
  if (parser.steps.length === 0 && report.errors === 0) {
    report.add('error', 'SCN001', 0, 0, 'this file has no steps');
  }
  return { program: parser.program(file, headComment(text)), diagnostics: report.finish() };
}

function parseLog(text: string, file: string, report: Report): Parsed {
  const steps: Step[] = [];
  const reader = new LogReader(steps, report, 'warning');
  eachLine(text, (start, end, line, last) => {
    reader.cut = last;
    reader.line(text, start, end, line);
  });
  if (reader.hasExpectations) return parseScenario(text, file, new Report(file));
  reader.finish();
  if (steps.length === 0) report.add('error', 'SCN001', 0, 0, 'this log has no complete line');
  const program: Program = { file, dialect: 'strace', about: '', steps, torn: reader.torn };
  return { program, diagnostics: report.finish() };
}

/** The comment block at the head of a scenario, without its marks. */
function headComment(text: string): string {
  const lines: string[] = [];
  let done = false;
  let start = 0;
  for (let line = 1; !done && start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const from = skipSpaces(text, start, end);
    if (text.charCodeAt(from) === 35 && from < end) {
      const isShebang = line === 1 && text.charCodeAt(from + 1) === 33;
      const space = text.charCodeAt(from + 1) === 32 ? 2 : 1;
      if (!isShebang) lines.push(text.slice(from + space, trimEnd(text, from + space, end)));
    } else {
      // Blank lines may stand before the block and end it.
      done = from < end || lines.length > 0;
    }
    start = end + 1;
  }
  return lines.join('\n').replace(/^\n+|\n+$/g, '');
}
