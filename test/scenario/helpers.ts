import { formatDiagnostic } from '../../src/base/index.ts';
import { type Expr, type Parsed, parseProgram, type Step } from '../../src/scenario/index.ts';

export function parse(text: string, file = 'x.fl'): Parsed {
  return parseProgram(text, file);
}

/** Parses what must be free of diagnostics other than those named, and returns its steps. */
export function stepsOf(
  text: string,
  file = 'x.fl',
  allowed: readonly string[] = [],
): readonly Step[] {
  const { program, diagnostics: all } = parse(text, file);
  const diagnostics = all.filter((d) => !allowed.includes(d.code));
  if (diagnostics.length > 0) throw new Error(diagnostics.map(formatDiagnostic).join('\n'));
  return program.steps;
}

/** The diagnostics as text, without the file's name. */
export function complaints(text: string, file = 'x.fl'): string[] {
  return parse(text, file).diagnostics.map((d) => formatDiagnostic(d).slice(file.length + 1));
}

/** Data without places; a log's computed arguments become plain. */
export function plain(value: unknown, ...without: string[]): unknown {
  const drop = new Set(['at', ...without]);
  const json = JSON.stringify(value, (key, inner) => (drop.has(key) ? undefined : inner));
  return sortKeys(JSON.parse(json));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([k, v]) => [k, sortKeys(v)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** S-expression of an expression: short enough for tables. */
export function lisp(e: Expr): string {
  switch (e.kind) {
    case 'int':
    case 'unknown':
      return e.kind === 'int' ? e.text : `?${e.text}`;
    case 'const':
      return e.name;
    case 'name':
      return `$${e.name}`;
    case 'string':
      return JSON.stringify(e.value) + (e.truncated ? '...' : '');
    case 'unary':
      return `(${e.op} ${lisp(e.operand)})`;
    case 'binary':
      return `(${e.op} ${lisp(e.left)} ${lisp(e.right)})`;
    case 'struct': {
      const fields = e.fields.map((f) => (f.name ? `${f.name}=` : '') + lisp(f.value));
      return `{${[...fields, ...(e.truncated ? ['...'] : [])].join(' ')}}`;
    }
    case 'array':
      return `[${[...e.items.map(lisp), ...(e.truncated ? ['...'] : [])].join(' ')}]`;
    case 'nested':
      return `(${e.name}${e.args.map((a) => ` ${lisp(a)}`).join('')})`;
    case 'fd':
      return `${e.fd}<${e.path}>`;
  }
}

/** The arguments of a call step. */
export function argsOf(step: Step | undefined): string[] {
  if (step?.op.kind !== 'call') throw new Error('no call');
  return step.op.args.map((a) => (a.name === undefined ? '' : `${a.name}=`) + lisp(a.value));
}
