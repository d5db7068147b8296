/** What a machine is, as its executor told when it started (executor/facts.c). */
import { gunzipSync } from 'node:zlib';
import { parsePairs } from '../scenario/proc_text.ts';
import type { Unseen } from '../scenario/transcript.ts';
import { PAGE_HUGE } from '../scenario/transcript.ts';

export interface Facts {
  readonly release: string;
  /** `uname -v`. */
  readonly version: string;
  /** File systems below the scenario's paths: "ext4" or the magic number in hex. */
  readonly workFileSystem: string;
  readonly shmFileSystem: string;
  /** read_ahead_kb of the disk below the scenario's paths; 128 where it has none. */
  readonly readAheadKb: number;
  /** max_sectors_kb of that disk, its longest request; undefined where it has none. */
  readonly diskRequestKb: number | undefined;
  /** RAM (MemTotal). */
  readonly memoryBytes: number;
  /** Numbers of the capabilities that a program's first task has. */
  readonly capabilities: readonly number[];
  /** Lowest address that mmap() gives to a hint; undefined if it could not be found out. */
  readonly lowestHint: number | undefined;
  /** A VMA with guard regions says so ("gu" in VmFlags); undefined without guard regions. */
  readonly guardMarks: boolean | undefined;
  /** What the kernel has, by name: "userfaultfd", "pagemap_scan". */
  readonly has: ReadonlyMap<string, boolean>;
  /** The executor's own image. */
  readonly image: { readonly startVpn: number; readonly endVpn: number };
  /** CONFIG_ options that are set, without the prefix; undefined without /proc/config.gz. */
  readonly config: ReadonlyMap<string, string> | undefined;
}

const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  ef53: 'ext4',
  '1021994': 'tmpfs',
  '58465342': 'xfs',
  '9123683e': 'btrfs',
  '794c7630': 'overlayfs',
};

const READ_AHEAD_KB = 128;

function fileSystem(magic: string): string {
  return FILE_SYSTEMS[magic] ?? `file system 0x${magic}`;
}

function capabilitiesOf(digits: string): number[] {
  const found: number[] = [];
  for (let number = 0; number < digits.length * 4; number++) {
    const digit = Number.parseInt(digits[digits.length - 1 - (number >> 2)]!, 16);
    if ((digit >> (number & 3)) & 1) found.push(number);
  }
  return found;
}

function configOf(bytes: Uint8Array | undefined): Map<string, string> | undefined {
  if (bytes === undefined) return undefined;
  let text: string;
  try {
    text = gunzipSync(bytes).toString('utf8');
  } catch {
    return undefined;
  }
  return new Map([...text.matchAll(/^CONFIG_(\w+)=(.*)$/gm)].map((m) => [m[1]!, m[2]!]));
}

function pageOf(hex: string | undefined): number {
  return Number.parseInt((hex ?? '0').slice(0, -3), 16);
}

export function factsOf(ready: string, config: Uint8Array | undefined): Facts {
  const told = parsePairs(ready);
  const text = (name: string): string => told.get(name) ?? '';
  const number = (name: string, otherwise: number): number =>
    told.has(name) ? Number(text(name)) : otherwise;
  const [start, end] = text('image').split(' ');
  const probes = [...told].filter(([name]) => name.startsWith('has_'));
  return {
    release: text('release'),
    version: text('version'),
    workFileSystem: fileSystem(text('work')),
    shmFileSystem: fileSystem(text('shm')),
    readAheadKb: number('read_ahead_kb', READ_AHEAD_KB),
    diskRequestKb: told.has('max_sectors_kb') ? number('max_sectors_kb', 0) : undefined,
    memoryBytes: number('memory_kb', 0) * 1024,
    capabilities: capabilitiesOf(text('capabilities')),
    lowestHint: told.has('lowest_hint') ? number('lowest_hint', 0) : undefined,
    guardMarks: told.has('guard_marks') ? text('guard_marks') === '1' : undefined,
    has: new Map(probes.map(([name, value]) => [name.slice(4), value === '1'])),
    image: { startVpn: pageOf(start), endVpn: pageOf(end) },
    config: configOf(config),
  };
}

/** True when `release` ("6.12.3-x") is at least the named one. */
export function isAtLeast(release: string, major: number, minor: number): boolean {
  const found = /^(\d+)\.(\d+)/.exec(release);
  const [a, b] = found === null ? [0, 0] : [Number(found[1]), Number(found[2])];
  return a > major || (a === major && b >= minor);
}

/** What cannot be seen, or not exactly, on this kernel. */
export function unseenOf(facts: Facts): Unseen[] {
  const unseen: Unseen[] = [];
  if (facts.has.get('pagemap_scan') === false) {
    const why = 'only PAGEMAP_SCAN tells it, which came with 6.7';
    unseen.push({ what: 'whether a page is mapped by a PMD', why, pageBits: PAGE_HUGE });
  }
  if (!isAtLeast(facts.release, 6, 17)) {
    const why = 'before 6.17 the reader of status leaves out what each CPU has not yet added';
    unseen.push({ what: 'RSS by kind, of status', why, rss: true });
  }
  return unseen;
}
