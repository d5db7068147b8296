/** System calls as perf prints them: `sys_enter_NAME: a: 0x…, b: 0x…`, then `sys_exit_NAME: 0x…`. */
import {
  OP_BRK,
  OP_FALLOCATE,
  OP_FTRUNCATE,
  OP_MADVISE,
  OP_MLOCK,
  OP_MLOCKALL,
  OP_MMAP,
  OP_MPROTECT,
  OP_MREMAP,
  OP_MUNLOCK,
  OP_MUNLOCKALL,
  OP_MUNMAP,
  OP_PRCTL,
  OP_SHMAT,
  OP_SHMCTL,
  OP_SHMDT,
  OP_SHMGET,
} from '../trace/index.ts';
import type { FileNames } from './file_names.ts';
import { type PageAddress, readHexAddress } from './perf_line.ts';

/** An argument: its page and byte; its low 32 bits are the int that C would see. */
export interface CallArg {
  readonly vpn: number;
  readonly offset: number;
}

export const bytesOf = (arg: CallArg | undefined): number =>
  arg === undefined ? 0 : arg.vpn * 4096 + arg.offset;
export const intOf = (arg: CallArg | undefined): number =>
  arg === undefined ? 0 : ((arg.vpn % 1048576) * 4096 + arg.offset) | 0;

const TOP_PAGE = 2 ** 52 - 1;

/** A result as perf prints it; a negative one is a 64-bit two's complement. */
export function resultOf(arg: CallArg): { isError: boolean; errno: number } {
  const isError = arg.vpn === TOP_PAGE && arg.offset > 0;
  return { isError, errno: isError ? arg.offset - 4096 : 0 };
}

const scratch: PageAddress = { vpn: 0, offset: 0 };

/** Numbers behind `: 0x` in `text` from `from`, in order. */
export function readArgs(text: string, from: number): CallArg[] {
  const args: CallArg[] = [];
  let at = text.indexOf('0x', from);
  while (at >= 0) {
    const end = readHexAddress(text, at + 2, scratch);
    if (end < 0) break;
    args.push({ vpn: scratch.vpn, offset: scratch.offset });
    at = text.indexOf('0x', end);
  }
  return args;
}

/** A call between its enter and its exit. */
export interface OpenCall {
  readonly name: string;
  readonly pid: number;
  readonly args: readonly CallArg[];
  /** The mapping that perf reported meanwhile. */
  file: string;
  mappedBytes: number;
  /** Its row is there already: another thread saw its effect. */
  done: boolean;
}

export interface CallRow {
  readonly op: number;
  readonly address?: CallArg | undefined;
  readonly length?: number;
  readonly arg?: number;
  readonly arg2?: number;
  readonly pgoff?: number;
  readonly name?: string;
  readonly result: number;
}

const pagesUp = (bytes: number): number => Math.ceil(bytes / 4096);

export const sysvName = (key: number, id: number): string =>
  `/SYSV${(key >>> 0).toString(16).padStart(8, '0')}#${id}`;

/**
 * The event of a call; undefined for calls that are none. `result` is the value as perf has it.
 * ftruncate and fallocate name a descriptor, which the importer turns into a file.
 */
export function callRow(call: OpenCall, value: CallArg, files: FileNames): CallRow | undefined {
  const { args } = call;
  const [a, b, c, d, e, f] = args;
  const { isError, errno } = resultOf(value);
  const status = isError ? errno : bytesOf(value);
  const page = isError ? errno : value.vpn;
  switch (call.name) {
    case 'mmap': {
      const flags = intOf(d);
      const isAnon = (flags & 0x20) !== 0;
      return {
        ...{ op: OP_MMAP, address: a, length: bytesOf(b), arg: intOf(c), arg2: flags },
        ...{ pgoff: isAnon ? 0 : (f?.vpn ?? 0), name: call.file, result: page },
      };
    }
    case 'munmap':
      return { op: OP_MUNMAP, address: a, length: bytesOf(b), result: status };
    case 'mremap': {
      const row = { op: OP_MREMAP, address: a, length: bytesOf(b), arg2: intOf(d), result: page };
      return { ...row, arg: e?.offset ?? 0, pgoff: pagesUp(bytesOf(c)) };
    }
    case 'mprotect':
      return {
        op: OP_MPROTECT,
        address: a,
        length: bytesOf(b),
        arg: intOf(c),
        arg2: -1,
        result: status,
      };
    case 'pkey_mprotect':
      return {
        op: OP_MPROTECT,
        address: a,
        length: bytesOf(b),
        arg: intOf(c),
        arg2: intOf(d),
        result: status,
      };
    case 'madvise':
      return { op: OP_MADVISE, address: a, length: bytesOf(b), arg: intOf(c), result: status };
    case 'brk':
      return { op: OP_BRK, address: a, arg2: value.offset, result: value.vpn };
    case 'mlock':
    case 'mlock2':
      return { op: OP_MLOCK, address: a, length: bytesOf(b), arg: intOf(c), result: status };
    case 'munlock':
      return { op: OP_MUNLOCK, address: a, length: bytesOf(b), result: status };
    case 'mlockall':
      return { op: OP_MLOCKALL, arg: intOf(a), result: status };
    case 'munlockall':
      return { op: OP_MUNLOCKALL, result: status };
    case 'shmget': {
      const name = isError
        ? ''
        : files.place(sysvName(intOf(a), status).replace(/#.*/, ' (deleted)'), '', status);
      if (name !== '') files.sized(name, bytesOf(b));
      return {
        op: OP_SHMGET,
        length: bytesOf(b),
        arg: intOf(a),
        arg2: intOf(c),
        name,
        result: status,
      };
    }
    case 'shmat':
      return {
        ...{ op: OP_SHMAT, address: b, length: call.mappedBytes, arg: intOf(a), arg2: intOf(c) },
        ...{ name: call.file, result: page },
      };
    case 'shmdt':
      return { op: OP_SHMDT, address: a, result: status };
    case 'shmctl':
      return { op: OP_SHMCTL, arg: intOf(a), arg2: intOf(b), result: status };
    case 'prctl':
      return { op: OP_PRCTL, arg: intOf(a), arg2: intOf(b), result: status };
    case 'ftruncate':
      return { op: OP_FTRUNCATE, length: bytesOf(b), result: status };
    case 'fallocate': {
      const from = c ?? { vpn: 0, offset: 0 };
      const row = { op: OP_FALLOCATE, arg: intOf(b), pgoff: from.vpn, length: bytesOf(d) };
      return { ...row, address: { vpn: 0, offset: from.offset }, result: status };
    }
    default:
      return undefined;
  }
}

/** The calls to record. */
export const MEMORY_CALLS = [
  ...['mmap', 'munmap', 'mremap', 'brk', 'mprotect', 'pkey_mprotect', 'madvise', 'mlock', 'mlock2'],
  ...['munlock', 'mlockall', 'munlockall', 'shmget', 'shmat', 'shmdt', 'shmctl', 'ftruncate'],
  ...['fallocate', 'memfd_create', 'prctl'],
];
