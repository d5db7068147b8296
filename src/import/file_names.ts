/**
 * Names of mapped files, unique to each: objects without a path of their own (memfd, shared
 * anonymous memory, System V segments, deleted files) get their inode's number behind a `#`.
 */
import type { FileKind, TraceFile } from '../trace/index.ts';

const DELETED = ' (deleted)';

function kindOf(name: string): FileKind {
  if (name.startsWith('/memfd:')) return 'memfd';
  if (name.startsWith('/SYSV')) return 'sysv';
  if (name.startsWith('/dev/zero')) return 'shared-anon';
  if (name.startsWith('/anon_hugepage')) return 'hugetlb';
  if (name.startsWith('/dev/shm/')) return 'tmpfs';
  if (name.startsWith('/dev/') || name.startsWith('anon_inode:')) return 'device';
  return name.startsWith('/') ? 'file' : 'unknown';
}

export function isSpecial(name: string): boolean {
  return name.startsWith('[');
}

export class FileNames {
  readonly files = new Map<string, TraceFile>();

  /** `name` as perf, maps or strace print it; `//anon` and '' are no file. */
  place(name: string, dev: string, ino: number): string {
    if (name === '' || name === '//anon') return '';
    if (isSpecial(name)) return name;
    const kind = kindOf(name);
    const isDeleted = name.endsWith(DELETED);
    const bare = isDeleted ? name.slice(0, -DELETED.length) : name;
    const isNameless = isDeleted || (kind !== 'file' && kind !== 'device' && kind !== 'tmpfs');
    const unique = isNameless && ino > 0 ? `${bare}#${ino}` : bare;
    if (!this.files.has(unique)) {
      const fs = kind === 'file' || kind === 'unknown' || kind === 'device' ? '' : 'tmpfs';
      this.files.set(unique, { name: unique, kind, fs, dev, ino, size: -1 });
    }
    return unique;
  }

  /** The size of a file, where it becomes known. */
  sized(name: string, size: number): void {
    const file = this.files.get(name);
    if (file !== undefined) this.files.set(name, { ...file, size });
  }
}
