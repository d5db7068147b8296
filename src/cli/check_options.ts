/** Options of `check`: presets of `--focus`, and what narrows or widens them. */
import { InvalidArgumentError } from 'commander';
import {
  type Bounds,
  CALLS,
  type Call,
  FOCUSES,
  type Focus,
  KINDS,
  type Kind,
  PRESETS,
} from '../explore/index.ts';
import { LAWS, type LawName } from '../laws/index.ts';
import { didYouMean } from '../scenario/index.ts';
import type { OutputOptions } from './output.ts';

export interface CheckCommandOptions extends OutputOptions {
  readonly kernel?: string;
  readonly variant?: string;
  readonly focus?: Focus;
  readonly tasks?: number;
  readonly pages?: number;
  readonly steps?: number;
  readonly laws?: readonly LawName[];
  readonly mappings?: readonly Kind[];
  readonly calls?: readonly Call[];
  readonly symmetry?: boolean;
  readonly depthFirst?: boolean;
  readonly walks?: number;
  readonly seed?: number;
  readonly memoryLimit?: number;
  readonly jobs?: number;
  readonly checkpoint?: string;
  readonly timeout?: number;
  /** Directory for the counterexamples. */
  readonly output?: string;
}

/** Names separated by commas, each of a list. */
function names<T extends string>(what: string, known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((part) => {
      const name = part.trim();
      const found = known.find((one) => one === name);
      if (found !== undefined) return found;
      const hint = didYouMean(name, known) ?? `known are ${known.join(', ')}`;
      throw new InvalidArgumentError(`no ${what} is named '${name}'; ${hint}`);
    });
}

export const parseLaws = names(
  'law',
  LAWS.map((law) => law.name),
);
export const parseMappings = names('kind of mapping', KINDS);
export const parseCalls = names('call', CALLS);

export function parseFocus(text: string): Focus {
  return names('focus', FOCUSES)(text)[0]!;
}

/** A mapping is one folio, or a part of one: a power of two. */
export function parsePages(text: string): number {
  const n = Number(text);
  if ([1, 2, 4, 8].includes(n)) return n;
  throw new InvalidArgumentError('expected 1, 2, 4 or 8');
}

export function parseBytes(text: string): number {
  const parts = /^(\d+)([KMG]?)$/i.exec(text.trim());
  const power = parts === null ? 0 : ['', 'K', 'M', 'G'].indexOf(parts[2]!.toUpperCase());
  const bytes = parts === null ? 0 : Number(parts[1]) * 1024 ** power;
  if (bytes < 1048576) throw new InvalidArgumentError('expected a size from 1M on, as in 2G');
  return bytes;
}

export function boundsOf(options: CheckCommandOptions): Bounds {
  const preset = PRESETS[options.focus ?? 'default'];
  return {
    ...preset,
    tasks: options.tasks ?? preset.tasks,
    pages: options.pages ?? preset.pages,
    steps: options.steps ?? preset.steps,
    kinds: options.mappings ?? preset.kinds,
    calls: options.calls ?? preset.calls,
    ...(options.symmetry === false ? { tellTasks: true } : {}),
  };
}
