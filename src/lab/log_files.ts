/**
 * Descriptors whose opening a log does not show: pipe(2) and the like are often not traced, others
 * are inherited. What one is good for is learned from what mmap says of it.
 */
import { PMD_PAGES, type TaskRow, word } from '../base/index.ts';
import { rawFile } from '../kernel/fd_table.ts';
import type { Kernel } from '../kernel/index.ts';
import { FS_DISK, FS_NO_MMAP, FS_SHMEM, O_RDWR, O_WRONLY } from '../mm/fs_types.ts';
import { asInt, type LogCall, MAP_ANONYMOUS, pagesOf } from './log_trial.ts';

interface Guess {
  readonly kind: number;
  readonly flags: number;
}

const O_RDONLY = 0;

/**
 * What an unseen descriptor may be, the likeliest first: a file, an end of a pipe, a socket, a file
 * opened for one direction, a memfd.
 */
const GUESSES: readonly Guess[] = [
  { kind: FS_DISK, flags: O_RDWR },
  { kind: FS_NO_MMAP, flags: O_RDONLY },
  { kind: FS_NO_MMAP, flags: O_WRONLY },
  { kind: FS_NO_MMAP, flags: O_RDWR },
  { kind: FS_DISK, flags: O_RDONLY },
  { kind: FS_DISK, flags: O_WRONLY },
  { kind: FS_SHMEM, flags: O_RDWR },
];

const EBADF = 9;

export class LogFiles {
  readonly #kernel: Kernel;
  /** Guess in force, by the name under which it was installed. */
  readonly #guessed = new Map<string, number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  #fdOf(call: LogCall): number {
    if (call.name !== 'mmap' || call.values.length < 5) return -1;
    if ((asInt(call.values[3]).lo & MAP_ANONYMOUS) !== 0) return -1;
    return word.toInt32(asInt(call.values[4]));
  }

  #install(task: TaskRow, fd: number, index: number): void {
    const { kind, flags } = GUESSES[index]!;
    const name = this.#nameOf(task, fd);
    // What is mapped has a path; a pipe has none, and its file system is noexec.
    const path = kind === FS_NO_MMAP ? name : `/${name}`;
    this.#kernel.assumeOpen(task, fd, path, flags, { kind });
    this.#guessed.set(path, index);
  }

  #nameOf(task: TaskRow, fd: number): string {
    return `untraced:${this.#kernel.m.task.tgid[task]}.${fd}`;
  }

  /** Before a call on a descriptor that is not known: takes the likeliest. '' = it is known. */
  learnBefore(task: TaskRow, call: LogCall): string {
    const fd = this.#fdOf(call);
    if (fd < 0 || rawFile(this.#kernel.state, task, fd) !== 0) return '';
    if (call.expected.kind === 'errno' && call.expected.errno === EBADF) return '';
    // The offset is looked at before the descriptor.
    if (word.offsetOf(asInt(call.values[5])) !== 0) return '';
    this.#install(task, fd, 0);
    // A small mapping goes to the same place whatever it maps: that is predicted.
    const small = pagesOf(asInt(call.values[1])) < PMD_PAGES;
    if (call.expected.kind === 'value' && small) return '';
    return 'who opened the descriptor is not in the log';
  }

  /** The next of the guesses about the call's descriptor; false when it is no guess, or the last. */
  nextGuess(task: TaskRow, call: LogCall): boolean {
    const { m, state } = this.#kernel;
    const fd = this.#fdOf(call);
    const file = fd < 0 ? 0 : rawFile(state, task, fd);
    if (file === 0) return false;
    const index = this.#guessed.get(m.names[m.file.name[file]!]!);
    if (index === undefined || index + 1 >= GUESSES.length) return false;
    this.#install(task, fd, index + 1);
    return true;
  }

  /** The log shows that the descriptor of a guess is not open. */
  close(task: TaskRow, call: LogCall): boolean {
    const { m, state } = this.#kernel;
    const fd = this.#fdOf(call);
    const file = fd < 0 ? 0 : rawFile(state, task, fd);
    if (file === 0 || !this.#guessed.has(m.names[m.file.name[file]!]!)) return false;
    this.#kernel.assumeClose(task, fd);
    return true;
  }

  /** None of the guesses explained a result: begins anew. */
  resetGuess(task: TaskRow, call: LogCall): void {
    const fd = this.#fdOf(call);
    if (fd >= 0) this.#install(task, fd, 0);
  }
}
