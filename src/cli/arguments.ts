/** Values of options, checked while the command line is read; a bad one is bad usage. */
import { InvalidArgumentError } from 'commander';
import { kernelList } from '../lab/index.ts';
import { didYouMean } from '../scenario/index.ts';
import { WIDTH_MIN } from './output.ts';

export function parseWidth(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < WIDTH_MIN || n > 1000) {
    throw new InvalidArgumentError(`expected a number of columns from ${WIDTH_MIN} to 1000`);
  }
  return n;
}

const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1048576, G: 1073741824, T: 2 ** 40 };
/** The modelled machine's frames are counted in 27 bits. */
const MEMORY_MAX = 2 ** 27 * 4096;
const MEMORY_MIN = 16 * 1048576;

export function parseMemory(text: string): number {
  const parts = /^(\d+)([KMGT]?)B?$/i.exec(text.trim());
  const bytes = parts === null ? 0 : Number(parts[1]) * (UNITS[parts[2]!.toUpperCase()] ?? 1);
  if (bytes < MEMORY_MIN || bytes > MEMORY_MAX) {
    throw new InvalidArgumentError('expected a size from 16M to 512G, as in 4G');
  }
  return Math.floor(bytes / 4096) * 4096;
}

export function parseKernel(text: string): string {
  const names = kernelList().map((kernel) => kernel.name);
  if (names.includes(text)) return text;
  const hint = didYouMean(text, names) ?? `known are ${names.join(', ')}`;
  throw new InvalidArgumentError(`no kernel '${text}' is modelled; ${hint}`);
}

const COMPARED_MAX = 8;

export function parseKernels(text: string): string[] {
  const names = text.split(',').map((name) => parseKernel(name.trim()));
  if (new Set(names).size !== names.length) {
    throw new InvalidArgumentError('a kernel is named twice');
  }
  if (names.length < 2 || names.length > COMPARED_MAX) {
    throw new InvalidArgumentError(`expected 2 to ${COMPARED_MAX} names, separated by commas`);
  }
  return names;
}

export interface PageAt {
  readonly task: string;
  readonly address: string;
}

/** `TASK:ADDR`, or `ADDR` alone for the first task. */
export function parseAt(text: string): PageAt {
  const colon = text.indexOf(':');
  const task = colon < 0 ? '' : text.slice(0, colon).trim();
  const address = text.slice(colon + 1).trim();
  if (address === '' || (colon >= 0 && task === '')) {
    throw new InvalidArgumentError('expected TASK:ADDR, as in child:0x11000');
  }
  return { task, address };
}

/** A whole number of at least `least`, for an option of this name. */
export function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < least || n > most) {
      throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
    }
    return n;
  };
}

export function parseMinutes(text: string): number {
  const n = Number(text);
  if (!(n > 0) || n > 100000) throw new InvalidArgumentError('expected minutes, as in 0.5 or 90');
  return n;
}

export function parseSeconds(text: string): number {
  const n = Number(text);
  if (!(n > 0) || n > 1e7) throw new InvalidArgumentError('expected seconds, as in 0.5 or 30');
  return n;
}

/** A share of memory, in per cent. */
export function parsePercent(text: string): number {
  const n = text.trim() === '' ? Number.NaN : Number(text.replace(/ ?%$/, ''));
  if (!(n >= 0) || n > 100000) {
    throw new InvalidArgumentError('expected per cent from 0 on, as in 10');
  }
  return n;
}

/** A Redis or Valkey server. */
export function parseQueue(text: string): string {
  const isQueue = /^(rediss?|valkeys?):\/\/[^\s]+$/.test(text) && URL.canParse(text);
  if (!isQueue) throw new InvalidArgumentError('expected redis://HOST:PORT');
  return text.replace(/^valkey/, 'redis');
}
