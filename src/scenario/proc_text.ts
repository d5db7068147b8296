/** /proc/PID/{maps,smaps,status} as text, and settings and statistics as the executor prints them. */
import type { VmaObservation } from './transcript.ts';

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+ *(.*)$/;

/** Page number of a hexadecimal address that is a multiple of 4096: the last 3 digits are 0. */
function pageNumber(hex: string): number {
  return hex.length > 3 ? Number.parseInt(hex.slice(0, -3), 16) : 0;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** VmFlags of most mappings are those of a few others. */
const knownFlags = new Map<string, readonly string[]>();
const KNOWN_FLAGS_MAX = 512;

function flagsOf(text: string): readonly string[] {
  const known = knownFlags.get(text);
  if (known !== undefined) return known;
  if (knownFlags.size === KNOWN_FLAGS_MAX) knownFlags.clear();
  const flags = text.trim().split(/\s+/);
  knownFlags.set(text, flags);
  return flags;
}

/** Fields begin with a capital letter, mappings with a hexadecimal digit in lower case. */
function isField(line: string): boolean {
  const first = line.charCodeAt(0);
  return first >= 65 && first <= 90;
}

/** Mappings of maps or smaps; [vsyscall] is no mapping of the address space and is left out. */
export function parseMaps(text: string): VmaObservation[] {
  const found: Mutable<VmaObservation>[] = [];
  let current: Mutable<VmaObservation> | undefined;
  let fields: Record<string, number> = {};
  for (const line of text.split('\n')) {
    if (isField(line)) {
      const colon = line.indexOf(':');
      if (current === undefined || colon < 0) continue;
      const key = line.slice(0, colon);
      if (key === 'VmFlags') {
        current.vmFlags = flagsOf(line.slice(colon + 1));
      } else {
        fields[key] = Number.parseInt(line.slice(colon + 1), 10);
        current.smaps = fields;
      }
      continue;
    }
    const header = HEADER.exec(line);
    if (header === null) continue;
    const name = header[5]!;
    if (name === '[vsyscall]') {
      current = undefined;
      continue;
    }
    current = {
      startVpn: pageNumber(header[1]!),
      endVpn: pageNumber(header[2]!),
      perms: header[3]!,
      pgoff: pageNumber(header[4]!),
      name,
    };
    fields = {};
    found.push(current);
  }
  return found;
}

/** `Key:   16 kB` lines as numbers. */
export function parseFields(text: string): Map<string, number> {
  const fields = new Map<string, number>();
  for (const match of text.matchAll(/^([\w()-]+):\s+(-?\d+)/gm)) {
    fields.set(match[1]!, Number(match[2]));
  }
  return fields;
}

/** `path value` or `name number` lines. */
export function parsePairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) pairs.set(line.slice(0, space), line.slice(space + 1));
  }
  return pairs;
}

/** The value of a field of a /proc file, as it stands there: "16 kB", "1", "rd wr mr". */
export function fieldText(text: string, field: string): string | undefined {
  for (const line of text.split('\n')) {
    if (!line.startsWith(field)) continue;
    const next = line[field.length];
    if (next === ':' || next === ' ' || next === '\t') return line.slice(field.length + 1).trim();
  }
  return undefined;
}

/** The block of smaps for the mapping that holds a page. */
export function smapsBlock(text: string, vpn: number): string | undefined {
  const lines = text.split('\n');
  let from = -1;
  for (const [i, line] of lines.entries()) {
    const header = HEADER.exec(line);
    if (header === null) continue;
    if (from >= 0) return lines.slice(from, i).join('\n');
    if (pageNumber(header[1]!) <= vpn && vpn < pageNumber(header[2]!)) from = i + 1;
  }
  return from < 0 ? undefined : lines.slice(from).join('\n');
}
