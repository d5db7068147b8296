/**
 * Sets huge-page settings of the whole machine and puts them back, come what may: a shell waits for
 * the end of its standard input, which comes when this process closes it or dies, by whatever
 * signal; then it writes the old values.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const THP = '/sys/kernel/mm/transparent_hugepage';

function settingOf(path: string): string {
  const text = readFileSync(path, 'utf8').trim();
  return /\[([^\]]+)\]/.exec(text)?.[1] ?? text;
}

/** Files that decide the size of folios: anonymous and shmem, of every size. */
export function sizeFiles(): string[] {
  const found = [join(THP, 'enabled'), join(THP, 'shmem_enabled')];
  for (const entry of readdirSync(THP)) {
    if (!entry.startsWith('hugepages-')) continue;
    for (const file of ['enabled', 'shmem_enabled']) {
      const path = join(THP, entry, file);
      try {
        readFileSync(path);
        found.push(path);
      } catch {
        // Sizes that shmem does not have.
      }
    }
  }
  return found;
}

export class ThpGuard {
  readonly #guard: ChildProcess;
  readonly #ended: Promise<void>;

  /** Remembers all values now. */
  constructor(files: readonly string[]) {
    const quoted = files.map((path) => `echo ${settingOf(path)} > ${path}`).join('\n');
    const script = `trap '' INT TERM HUP QUIT\ncat >/dev/null\n${quoted}\n`;
    this.#guard = spawn('sh', ['-c', script], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#ended = new Promise((resolve) => this.#guard.on('exit', () => resolve()));
  }

  /** Writes values, path → value. */
  set(values: Readonly<Record<string, string>>): void {
    for (const [path, value] of Object.entries(values)) {
      writeFileSync(path.startsWith('/') ? path : join(THP, path), value);
    }
  }

  /** Puts the old values back. */
  async release(): Promise<void> {
    this.#guard.stdin?.end();
    await this.#ended;
  }
}
