/**
 * How the kernel reads numbers and words that are written to its files: kstrto*() of lib/kstrtox.c,
 * sysfs_streq() of lib/string_helpers.c, proc_dointvec() of kernel/sysctl.c. A negative result is a
 * negative errno; values are never negative here.
 */
import { EINVAL, ERRNO, word } from '../base/index.ts';

/** What a store operation answers: 0, a negative errno, or the rule that is not modelled. */
export type Stored = number | { readonly unmodelled: string };

/** One file below /sys or /proc/sys. */
export interface Knob {
  readonly read: () => string;
  /** Absent where the file's mode has no write bit: open for writing gives EACCES. */
  readonly write?: (text: string) => Stored;
}

/** sysfs_streq(): equal, but for one newline at the end. */
export function sysfsStreq(text: string, wanted: string): boolean {
  return text === wanted || text === wanted + '\n';
}

/** The index of the word that was written, or -1. */
export function wordIndex(text: string, words: readonly string[]): number {
  return words.findIndex((w) => sysfsStreq(text, w));
}

/**
 * kstrtoull() in base 10 or 0 (0x and 0 prefixes), limited to `max`. The whole text must be one
 * number, with an optional plus sign before and one newline after it.
 */
export function kstrtoull(text: string, base: 0 | 10, max: number): number {
  const m = /^\+?([0-9a-zA-Z]+)\n?$/.exec(text);
  if (m === null) return -EINVAL;
  let digits = m[1]!;
  let radix: 8 | 10 | 16 = 10;
  if (base === 0 && /^0x[0-9a-f]/i.test(digits)) {
    radix = 16;
    digits = digits.slice(2);
  } else if (base === 0 && digits.startsWith('0')) radix = 8;
  const allowed = radix === 16 ? /^[0-9a-fA-F]+$/ : radix === 8 ? /^[0-7]+$/ : /^[0-9]+$/;
  if (!allowed.test(digits)) return -EINVAL;
  const value = word.parseDigits(digits, radix);
  if (value === undefined) return -ERRNO.ERANGE;
  const number = word.toNumber(value);
  return number > max ? -ERRNO.ERANGE : number;
}

/** kstrtobool(): only the first one or two characters count. */
export function kstrtobool(text: string): number {
  if (/^[yYtT1]/.test(text) || /^[oO][nN]/.test(text)) return 1;
  if (/^[nNfF0]/.test(text) || /^[oO][fF]/.test(text)) return 0;
  return -EINVAL;
}

/**
 * The first number of a sysctl write (proc_dointvec, proc_doulongvec): white space before it is
 * skipped, after it must come white space or the end; decimal, octal or hex as it is spelt.
 * NaN where there is no number.
 */
export function sysctlNumber(text: string, negative: boolean): number {
  const rest = text.trimStart();
  const m = /^(-?)(0x[0-9a-f]+|[0-9]+)(?=\s|\0|$)/i.exec(rest);
  if (m === null || (m[1] === '-' && !negative)) return Number.NaN;
  const digits = m[2]!;
  const hex = /^0x/i.test(digits);
  const octal = !hex && digits.length > 1 && digits.startsWith('0');
  const value = Number.parseInt(hex ? digits.slice(2) : digits, hex ? 16 : octal ? 8 : 10);
  return m[1] === '-' ? -value : value;
}

/** "always [madvise] never". */
export function choice(words: readonly string[], chosen: number): string {
  return words.map((w, i) => (i === chosen ? `[${w}]` : w)).join(' ') + '\n';
}
