/**
 * Constants by name and names by value. The tables hold x86-64's values; NULL and PAGE_SIZE are
 * added because programs are written with them.
 */
import { type U64, word } from '../base/index.ts';
import { FILE_CONSTANTS } from './constants_file.ts';
import { MEMORY_CONSTANTS } from './constants_memory.ts';
import { PROCESS_CONSTANTS } from './constants_process.ts';

const VALUES = new Map<string, U64>([
  ['NULL', word.ZERO],
  ['PAGE_SIZE', word.u64(0, 4096)],
]);
/** Names of each prefix in the order of their values. */
const FAMILIES = new Map<string, string[]>();

for (const [prefix, table] of [...MEMORY_CONSTANTS, ...FILE_CONSTANTS, ...PROCESS_CONSTANTS]) {
  const names = FAMILIES.get(prefix) ?? [];
  FAMILIES.set(prefix, names);
  for (const entry of table.trim().split(/\s+/)) {
    const equals = entry.indexOf('=');
    const name = prefix + entry.slice(0, equals);
    VALUES.set(name, word.parseDigits(entry.slice(equals + 1), 16) ?? word.ZERO);
    names.push(name);
  }
}

/** The value of a constant, or undefined. Every caller gets the same object. */
export function findConstant(name: string): U64 | undefined {
  return VALUES.get(name);
}

/** Every constant's name, for suggestions and completion. */
export function allConstantNames(): readonly string[] {
  return [...VALUES.keys()];
}

/** Names that begin with `prefix` and have exactly this value; the preferred name first. */
export function constantNames(prefix: string, value: U64): string[] {
  const found: string[] = [];
  for (const [family, names] of FAMILIES) {
    if (!family.startsWith(prefix) && !prefix.startsWith(family)) continue;
    for (const name of names) {
      if (name.startsWith(prefix) && word.equal(VALUES.get(name)!, value)) found.push(name);
    }
  }
  return found;
}

/** Error number of `ENOMEM`; 0 where the name is unknown. */
export function errnoNumber(name: string): number {
  if (name.charCodeAt(0) !== 69) return 0;
  return VALUES.get(name)?.lo ?? 0;
}

function bitCount(value: U64): number {
  let count = 0;
  for (let rest = value.hi; rest !== 0; rest &= rest - 1) count++;
  for (let rest = value.lo; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Names that are values of a field or derived masks, never flags to be joined with `|`. */
const NOT_FLAGS = new Set([
  'MAP_FILE',
  'MAP_HUGE_SHIFT',
  'MAP_FAILED',
  'MFD_HUGE_SHIFT',
  'SHM_HUGE_SHIFT',
  'O_ACCMODE',
  'AT_FDCWD',
]);
/** MAP_, MFD_ and SHM_ keep log2 of the huge page size in six bits from bit 26. */
const HUGE_SHIFT = 26;
const HUGE_FAMILIES = new Set(['MAP_', 'MFD_', 'SHM_']);

/**
 * `MAP_SHARED|MAP_ANONYMOUS` for 0x21: names joined as strace does, what has no name in hex.
 * `prefix` must be that of a whole family (`PROT_`, `MAP_`, `O_`).
 */
export function formatFlags(prefix: string, value: U64): string {
  const parts: string[] = [];
  let rest = value;
  if (prefix === 'O_') {
    parts.push(['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][value.lo & 3]!);
    rest = word.and(rest, word.not(word.u64(0, 3)));
  }
  let huge = '';
  if (HUGE_FAMILIES.has(prefix)) {
    const size = (value.lo >>> HUGE_SHIFT) & 0x3f;
    if (size !== 0) huge = hugeSizeName(prefix, size);
    rest = word.and(rest, word.not(word.u64(0, (0x3f << HUGE_SHIFT) >>> 0)));
  }
  const flags = (FAMILIES.get(prefix) ?? []).filter(
    (name) => !NOT_FLAGS.has(name) && !(HUGE_FAMILIES.has(prefix) && name.includes('_HUGE_')),
  );
  const byBits = flags
    .map((name) => ({ name, bits: VALUES.get(name)! }))
    .sort((a, b) => bitCount(b.bits) - bitCount(a.bits));
  const found: { name: string; bits: U64 }[] = [];
  for (const flag of byBits) {
    const none = word.equal(flag.bits, word.ZERO);
    if (none || !word.equal(word.and(rest, flag.bits), flag.bits)) continue;
    found.push(flag);
    rest = word.and(rest, word.not(flag.bits));
  }
  found.sort((a, b) => word.compare(a.bits, b.bits));
  for (const flag of found) parts.push(flag.name);
  if (huge !== '') parts.push(huge);
  if (!word.equal(rest, word.ZERO)) parts.push(word.toHex(rest));
  if (parts.length > 0) return parts.join('|');
  return flags.find((name) => word.equal(VALUES.get(name)!, word.ZERO)) ?? '0';
}

function hugeSizeName(prefix: string, size: number): string {
  const value = word.u64(0, (size << HUGE_SHIFT) >>> 0);
  const known = constantNames(`${prefix}HUGE_`, value);
  return known[0] ?? `${size}<<${prefix}HUGE_SHIFT`;
}
