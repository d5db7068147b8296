/** The lines that set a machine as advised, and those that set it back. */
import type { SettingWrite } from '../replay/index.ts';

export interface Commands {
  readonly apply: readonly string[];
  readonly undo: readonly string[];
}

function echo({ path, value }: SettingWrite): string {
  return `echo ${value} > ${path}`;
}

/** "always [madvise] never": the word in brackets, or the whole where there are none. */
export function chosenWord(text: string): string {
  return /\[([^\]]+)\]/.exec(text)?.[1] ?? text.trim();
}

/**
 * `now`: what a file holds at present, undefined where it is not known. Files that hold the wanted
 * value already are left alone; where the present value is not known, the kernel's default is what
 * undoes.
 */
export function commandsFor(
  settings: readonly SettingWrite[],
  now: (path: string) => string | undefined,
): Commands {
  const apply: string[] = [];
  const undo: string[] = [];
  for (const setting of settings) {
    const held = now(setting.path);
    const before = held === undefined ? defaultOf(setting.path) : chosenWord(held);
    if (before === setting.value) continue;
    apply.push(echo(setting));
    undo.unshift(echo({ path: setting.path, value: before }));
  }
  return { apply, undo };
}

/** As a kernel boots without parameters. */
function defaultOf(path: string): string {
  if (path.endsWith('fault_around_bytes')) return '65536';
  if (path.endsWith('hugepages-2048kB/enabled')) return 'inherit';
  if (path.endsWith('hugepages-2048kB/shmem_enabled')) return 'inherit';
  if (path.endsWith('transparent_hugepage/enabled')) return 'madvise';
  return 'never';
}
