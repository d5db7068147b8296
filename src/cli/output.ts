/** The way out: painted lines, JSON in pieces, diagnostics. A reader that went away ends the run. */
import { Chalk, type ChalkInstance, supportsColor } from 'chalk';
import { type Diagnostic, formatDiagnostic } from '../base/index.ts';
import { clean, type Line, type Style } from '../view/index.ts';
import { EXIT_INPUT } from './exit.ts';

export interface OutputOptions {
  /** --color, --no-color; undefined when neither was given. */
  readonly color?: boolean;
  readonly width?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly all?: boolean;
}

export const WIDTH_MIN = 80;
/** Where there is no terminal to ask. */
const WIDTH_PIPED = 100;
const WIDTH_MAX = 1000;

export function widthOf(options: OutputOptions): number {
  if (options.width !== undefined) return options.width;
  const columns = process.stdout.columns ?? 0;
  if (columns > 0) return Math.min(Math.max(columns, WIDTH_MIN), WIDTH_MAX);
  return WIDTH_PIPED;
}

/** Foregrounds of the 256-colour cube that differ in hue and can be read on black and on white. */
const FOLIO_COLOURS = [33, 208, 34, 170, 37, 178, 99, 203, 71, 245] as const;

type Painter = (text: string) => string;

function painterOf(chalk: ChalkInstance, style: Style): Painter {
  switch (style) {
    case 'plain':
      return (text) => text;
    case 'strong':
      return chalk.bold;
    case 'dim':
      return chalk.dim;
    case 'head':
      return chalk.bold.cyan;
    case 'ok':
      return chalk.green;
    case 'bad':
      return chalk.red.bold;
    case 'warn':
      return chalk.yellow;
    case 'note':
      return chalk.blueBright;
    default: {
      const [kind, number] = style.split('-');
      const colour = FOLIO_COLOURS[Number(number) % FOLIO_COLOURS.length]!;
      return kind === 'solid' ? chalk.ansi256(16).bgAnsi256(colour) : chalk.ansi256(colour);
    }
  }
}

/** Colours on a terminal that can, unless NO_COLOR stands in the environment or a flag decides. */
function colourLevel(stream: NodeJS.WriteStream, flag: boolean | undefined): 0 | 1 | 2 | 3 {
  const able = supportsColor === false ? 0 : supportsColor.level;
  if (flag !== undefined) return flag ? (Math.max(able, 2) as 2 | 3) : 0;
  if ((process.env['NO_COLOR'] ?? '') !== '' || !stream.isTTY) return 0;
  return able;
}

export class Output {
  readonly options: OutputOptions;
  readonly width: number;
  readonly #chalk: ChalkInstance;
  readonly #errorChalk: ChalkInstance;
  readonly #painters = new Map<Style, Painter>();

  constructor(options: OutputOptions) {
    this.options = options;
    this.width = widthOf(options);
    this.#chalk = new Chalk({ level: colourLevel(process.stdout, options.color) });
    this.#errorChalk = new Chalk({ level: colourLevel(process.stderr, options.color) });
  }

  #paint(spans: Line): string {
    let out = '';
    for (const { text, style } of spans) {
      let painter = this.#painters.get(style);
      if (painter === undefined) {
        painter = painterOf(this.#chalk, style);
        this.#painters.set(style, painter);
      }
      out += painter(text);
    }
    return out.trimEnd();
  }

  async lines(lines: readonly Line[]): Promise<void> {
    const BATCH = 4096;
    for (let at = 0; at < lines.length; at += BATCH) {
      let text = '';
      for (const l of lines.slice(at, at + BATCH)) text += `${this.#paint(l)}\n`;
      await write(text);
    }
  }

  diagnostics(found: readonly Diagnostic[]): void {
    const colours = { error: this.#errorChalk.red.bold, warning: this.#errorChalk.yellow.bold };
    let text = '';
    for (const d of found) {
      if (d.severity === 'note' && this.options.quiet === true) continue;
      const plain = clean(formatDiagnostic(d));
      const colour = d.severity === 'note' ? this.#errorChalk.bold : colours[d.severity];
      text += `${plain.replace(`: ${d.severity}: `, () => `: ${colour(`${d.severity}:`)} `)}\n`;
      for (const said of d.context ?? []) text += `  | ${clean(said)}\n`;
    }
    if (text !== '') process.stderr.write(text);
  }
}

/** Resolves when the stream can take more. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(text)) resolve();
    else process.stdout.once('drain', resolve);
  });
}

/**
 * One document on stdout. Arrays near the root are written element by element, so that the text of a
 * run of millions of steps never exists as a whole.
 */
export async function writeJson(document: unknown): Promise<void> {
  const SIZE = 1 << 16;
  let pending = '';
  for (const piece of jsonPieces(document, 0)) {
    pending += piece;
    if (pending.length < SIZE) continue;
    await write(pending);
    pending = '';
  }
  await write(`${pending}\n`);
}

/** {files:[RunReport]} has its steps three levels down. */
const PIECES_DEPTH = 6;

function* jsonPieces(value: unknown, depth: number): Generator<string> {
  if (typeof value !== 'object' || value === null || depth > PIECES_DEPTH) {
    yield JSON.stringify(value) ?? 'null';
  } else if (Array.isArray(value)) {
    yield '[';
    for (let i = 0; i < value.length; i++) {
      yield i === 0 ? '\n' : ',\n';
      const text = isLarge(value[i]) ? undefined : JSON.stringify(value[i]);
      if (text === undefined) yield* jsonPieces(value[i], depth + 1);
      else yield text;
    }
    yield ']';
  } else {
    let first = true;
    yield '{';
    for (const [key, field] of Object.entries(value)) {
      if (field === undefined) continue;
      yield `${first ? '' : ',\n'}${JSON.stringify(key)}:`;
      first = false;
      yield* jsonPieces(field, depth + 1);
    }
    yield '}';
  }
}

/** Objects that hold a list of steps, pages or differences. */
function isLarge(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).some((v) => Array.isArray(v))
  );
}

/** `faultline … | head`: the reader has seen enough. */
export function guardStreams(): void {
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    try {
      process.stderr.write(`faultline: cannot write: ${error.code ?? error.message}\n`);
    } finally {
      process.exit(EXIT_INPUT);
    }
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? (process.exitCode ?? 0) : EXIT_INPUT);
  });
}
