/** A program of the explorer as a scenario that `run`, `compare` and `verify` take. */
import {
  type Action,
  ANY_TASK,
  FILE_NAMES,
  OP_EXIT,
  OP_FORK,
  sizesPath,
  sizeText,
  TASK_NAMES,
} from './alphabet.ts';
import type { Bounds } from './bounds.ts';

export interface ProgramText {
  readonly text: string;
  /** Line of each action, by its place in the program; 0 where it has none. */
  readonly lines: readonly number[];
}

function setup(bounds: Bounds, actions: readonly Action[]): string[] {
  const lines: string[] = [];
  const usesShared = actions.some((a) => /MAP_SHARED\|MAP_ANON|, f,|\(f,/.test(a.text));
  const usesAnon = actions.some((a) => a.text.includes('MAP_PRIVATE|MAP_ANON'));
  const n = bounds.pages;
  if (usesShared && n > 1) lines.push(`echo always > ${sizesPath(n, 'shmem_enabled')}`);
  if (usesAnon && n > 2) lines.push(`echo always > ${sizesPath(n, 'enabled')}`);
  const uses = (fd: string): boolean =>
    actions.some((a) => a.text.includes(`, ${fd},`) || a.text.includes(`(${fd},`));
  for (let thread = 2; thread < 2 + bounds.threads; thread++) {
    if (!actions.some((a) => a.task === thread)) continue;
    const flags = 'CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM';
    lines.push(`p: ${TASK_NAMES[thread]!} = clone(${flags}, 0)`);
  }
  if (uses('u')) {
    lines.push('p: u = userfaultfd(0)');
    lines.push('p: ioctl(u, UFFDIO_API, {api=UFFD_API, features=0}) = 0');
  }
  if (actions.some((a) => a.text.includes('src=s'))) {
    lines.push(
      'p: s = mmap(512K, 4K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)',
    );
    lines.push('p: write s');
  }
  const [memfd, disk] = FILE_NAMES;
  if (uses(memfd)) {
    lines.push(`p: ${memfd} = memfd_create("${memfd}", 0)`);
    lines.push(`p: ftruncate(${memfd}, ${sizeText(n)}) = 0`);
  }
  if (uses(disk)) {
    lines.push(`p: ${disk} = open("/root/${disk}", O_RDWR|O_CREAT|O_TRUNC, 0600)`);
    lines.push(`p: ftruncate(${disk}, ${sizeText(n)}) = 0`);
  }
  return lines;
}

/** Who does each step: tasks by row, those that were forked and those that are gone. */
export class Cast {
  private next: number;
  private readonly gone = new Set<number>();

  constructor(bounds: Bounds) {
    this.next = 2 + bounds.threads;
  }

  /** The line of a step; what any task may do is done by the first that is there and free. */
  lineOf(a: Action, isFree: (task: number) => boolean = () => true): string {
    if (a.text.startsWith('echo')) return a.text;
    let task = a.task;
    if (task === ANY_TASK) for (task = 1; this.gone.has(task) || !isFree(task); ) task++;
    if (a.op === OP_EXIT) this.gone.add(task);
    const bind = a.op === OP_FORK ? `${TASK_NAMES[this.next++]!} = ` : '';
    return `${TASK_NAMES[task]!}: ${bind}${a.text}`;
  }
}

export function programText(
  bounds: Bounds,
  actions: readonly Action[],
  head: readonly string[],
  tail: readonly string[] = [],
): ProgramText {
  const out = [...head, ...setup(bounds, actions)];
  const lines: number[] = [];
  const cast = new Cast(bounds);
  for (const a of actions) {
    const text = cast.lineOf(a);
    if (a.text === '') {
      lines.push(0);
      continue;
    }
    out.push(text);
    lines.push(out.length);
  }
  out.push(...tail);
  return { text: `${out.join('\n')}\n`, lines };
}
