/**
 * Descriptor tables (fs/file.c, 6.18): the lowest free number, duplicates that share a description,
 * close-on-exec, RLIMIT_NOFILE.
 */
import { EBADF, EINVAL, EMFILE, type FileRow, type TaskRow } from '../base/index.ts';
import { fileGet, filePut } from '../mm/file.ts';
import { FMODE_PATH } from '../mm/fs_types.ts';
import type { Fd, FdTable, KernelState } from './state.ts';
import { releaseUffd } from './uffd_range.ts';
import type { Outcome } from './values.ts';

export function newTable(k: KernelState, entries: (Fd | undefined)[] = []): number {
  const id = k.nextTable++;
  k.tables.set(id, { users: 1, entries });
  return id;
}

export function tableOf(k: KernelState, t: TaskRow): FdTable {
  const table = k.tables.get(k.m.task.files[t]!);
  return table ?? { users: 0, entries: [] };
}

/** The description behind a descriptor, 0 when there is none (fget_raw: O_PATH included). */
export function rawFile(k: KernelState, t: TaskRow, fd: number): FileRow {
  return fd < 0 ? 0 : (tableOf(k, t).entries[fd]?.file ?? 0);
}

/** As rawFile, but an O_PATH description counts as none (fget). */
export function fileOf(k: KernelState, t: TaskRow, fd: number): FileRow {
  const file = rawFile(k, t, fd);
  return file !== 0 && (k.m.file.mode[file]! & FMODE_PATH) === 0 ? file : 0;
}

function limit(k: KernelState, t: TaskRow): number {
  return k.m.sig.nofileCur[k.m.task.sig[t]!]!;
}

/** Gives `file` (whose reference passes to the table) the lowest free number from `from`. */
export function installFd(
  k: KernelState,
  t: TaskRow,
  file: FileRow,
  cloexec: boolean,
  from = 0,
): number {
  const fd = freeFd(k, t, from);
  if (fd < 0) return fd;
  tableOf(k, t).entries[fd] = { file, cloexec };
  return fd;
}

/** The number that the next description would get, or -EMFILE. */
export function freeFd(k: KernelState, t: TaskRow, from = 0): number {
  const { entries } = tableOf(k, t);
  let fd = from;
  while (entries[fd] !== undefined) fd++;
  return fd >= limit(k, t) ? -EMFILE : fd;
}

/** Puts `file` at a given number, closing what is there. */
export function installAt(
  k: KernelState,
  t: TaskRow,
  fd: number,
  file: FileRow,
  cloexec: boolean,
): void {
  const { entries } = tableOf(k, t);
  const old = entries[fd];
  entries[fd] = { file, cloexec };
  if (old !== undefined) dropFile(k, old.file);
}

/** filePut() that also forgets what the door knows of the description. */
export function dropFile(k: KernelState, file: FileRow): void {
  if (k.m.file.refs[file] === 1) {
    const special = k.special.get(file);
    if (special?.kind === 'uffd') releaseUffd(k.m, special.context);
    k.special.delete(file);
  }
  filePut(k.m, file);
}

export function closeFd(k: KernelState, t: TaskRow, fd: number): number {
  const { entries } = tableOf(k, t);
  const old = fd < 0 ? undefined : entries[fd];
  if (old === undefined) return -EBADF;
  entries[fd] = undefined;
  dropFile(k, old.file);
  return 0;
}

/** dup2() and dup3(). */
export function dupTo(
  k: KernelState,
  t: TaskRow,
  from: number,
  to: number,
  cloexec: boolean,
): number {
  if (to < 0 || to >= limit(k, t)) return -EBADF;
  const file = rawFile(k, t, from);
  if (file === 0) return -EBADF;
  fileGet(k.m, file);
  installAt(k, t, to, file, cloexec);
  return to;
}

/** dup(), F_DUPFD, F_DUPFD_CLOEXEC. */
export function dupFrom(
  k: KernelState,
  t: TaskRow,
  fd: number,
  from: number,
  cloexec: boolean,
): number {
  const file = rawFile(k, t, fd);
  if (file === 0) return -EBADF;
  if (from < 0 || from >= limit(k, t)) return from === 0 ? -EMFILE : -EINVAL;
  const to = installFd(k, t, file, cloexec, from);
  if (to >= 0) fileGet(k.m, file);
  return to;
}

export function setCloexec(k: KernelState, t: TaskRow, fd: number, on: boolean): void {
  const { entries } = tableOf(k, t);
  const entry = entries[fd];
  if (entry !== undefined) entries[fd] = { file: entry.file, cloexec: on };
}

/** A table of the same descriptions (fork); the caller owns it. */
export function copyTableOf(k: KernelState, t: TaskRow): number {
  const entries = tableOf(k, t).entries.slice();
  for (const e of entries) if (e !== undefined) fileGet(k.m, e.file);
  return newTable(k, entries);
}

/** A task leaves its table; the last one closes everything. */
export function leaveTable(k: KernelState, t: TaskRow): void {
  const id = k.m.task.files[t]!;
  const table = k.tables.get(id);
  k.m.task.files[t] = 0;
  if (table === undefined || --table.users > 0) return;
  k.tables.delete(id);
  for (const e of table.entries) if (e !== undefined) dropFile(k, e.file);
}

/** exec: an own table, without those marked close-on-exec. */
export function execTable(k: KernelState, t: TaskRow): void {
  const old = k.m.task.files[t]!;
  const table = k.tables.get(old);
  if (table !== undefined && table.users > 1) {
    const copy = copyTableOf(k, t);
    table.users--;
    k.m.task.files[t] = copy;
  }
  tableOf(k, t).entries.forEach((e, fd) => {
    if (e?.cloexec === true) closeFd(k, t, fd);
  });
}

/** Gives a new description its number: the lowest, or in a log the one that it shows. */
export function install(k: KernelState, t: TaskRow, file: FileRow, cloexec: boolean): Outcome {
  const told = k.observed?.value;
  if (told !== undefined) {
    installAt(k, t, told, file, cloexec);
    return { ignored: 'which descriptors a program inherited is not known' };
  }
  const fd = installFd(k, t, file, cloexec);
  if (fd < 0) filePut(k.m, file);
  return fd;
}
