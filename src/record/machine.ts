/** What of this machine a replay must know: kernel, memory, settings, the files' systems. */
import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { FileKind, TraceFile, TraceMeta } from '../trace/index.ts';

const THP = '/sys/kernel/mm/transparent_hugepage';

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** "always [madvise] never" → "madvise". */
function chosen(text: string): string {
  return /\[([^\]]+)\]/.exec(text)?.[1] ?? text;
}

/** Path below transparent_hugepage → value; fault_around_bytes where debugfs shows it. */
export function thpSettings(): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (folder: string, depth: number): void => {
    let entries: string[] = [];
    try {
      entries = readdirSync(join(THP, folder));
    } catch {
      return;
    }
    for (const entry of entries.sort()) {
      const path = folder === '' ? entry : `${folder}/${entry}`;
      if (/^(enabled|shmem_enabled|defrag|use_zero_page)$/.test(entry)) {
        const value = chosen(readText(join(THP, path)));
        if (value !== '') found[path] = value;
      } else if (depth === 0 && entry.startsWith('hugepages-')) look(path, 1);
    }
  };
  look('', 0);
  const around = readText('/sys/kernel/debug/fault_around_bytes');
  if (around !== '') found['fault_around_bytes'] = around;
  return found;
}

/** By these settings no folio of any memory is large. */
export function areAllNever(settings: Readonly<Record<string, string>>): boolean {
  const shared = /^(?:never|deny)$/;
  return Object.entries(settings).every(([path, value]) => {
    const file = path.slice(path.lastIndexOf('/') + 1);
    if (file !== 'enabled' && file !== 'shmem_enabled') return true;
    const isInherited = value === 'inherit' && path.includes('/');
    return shared.test(isInherited ? (settings[file] ?? '') : value);
  });
}

export function thisMachine(): TraceMeta['machine'] {
  const names: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
  return {
    arch: names[arch()] ?? arch(),
    cpu: cpus()[0]?.model ?? '',
    cpus: cpus().length,
    memory: totalmem(),
    kernel: release(),
    noZeroPage: /\bpvm_no_zero_page=1\b/.test(readText('/proc/cmdline')),
  };
}

/** statfs's magic numbers. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  16914836: 'tmpfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2508478710: 'hugetlbfs',
  2035054128: 'overlay',
  26985: 'nfs',
  1702057286: 'exfat',
  1650812274: 'sysfs',
  40864: 'proc',
};

/** The file with its file system and size, where it still lies at its path. */
export function withFacts(file: TraceFile): TraceFile {
  if (file.kind !== 'file' && file.kind !== 'tmpfs' && file.kind !== 'device') return file;
  try {
    const stat = statSync(file.name);
    // Another file may lie there by now.
    if (file.ino > 0 && stat.ino !== file.ino) return file;
    if (stat.isCharacterDevice()) return { ...file, kind: 'device' };
    const type = statfsSync(file.name).type;
    const fs = FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`;
    const kind: FileKind = fs === 'tmpfs' ? 'tmpfs' : fs === 'hugetlbfs' ? 'hugetlb' : 'file';
    return { ...file, kind, fs, size: stat.size };
  } catch {
    return file;
  }
}
