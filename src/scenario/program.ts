/**
 * The program: what every kernel (model, host, vm, recording) executes. Scenario text and strace
 * logs are two spellings of it.
 *
 * Arguments stay expressions until they are executed, because a scenario's names are bound by the
 * results of earlier calls. Everything keeps its place in the source, so that a verdict can point
 * at it.
 */
import type { U64 } from '../base/index.ts';

/** 1-based line and column in the source. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** An argument or operand in C notation. */
export type Expr =
  /** A number: decimal, hex, octal, with K/M/G. `text` is the spelling. */
  | { readonly kind: 'int'; readonly value: U64; readonly text: string; readonly at: Place }
  /** A constant known to the parser (`PROT_READ`, `EINVAL`, `NULL`). */
  | { readonly kind: 'const'; readonly name: string; readonly value: U64; readonly at: Place }
  /** A name bound by an earlier step, or a task's name. Resolved when executed. */
  | { readonly kind: 'name'; readonly name: string; readonly at: Place }
  /** `"text"`, C escapes decoded; `truncated` when strace wrote `"..."...`. */
  | {
      readonly kind: 'string';
      readonly value: string;
      readonly truncated: boolean;
      readonly at: Place;
    }
  /** A constant the parser does not know inside an strace log, kept as it was spelt. */
  | { readonly kind: 'unknown'; readonly text: string; readonly at: Place }
  | { readonly kind: 'unary'; readonly op: '-' | '~'; readonly operand: Expr; readonly at: Place }
  | {
      readonly kind: 'binary';
      readonly op: '+' | '-' | '*' | '|' | '&' | '<<' | '>>';
      readonly left: Expr;
      readonly right: Expr;
      readonly at: Place;
    }
  /** `{field=value, ...}` or `{value, ...}`; `truncated` when it ended in `...`. */
  | {
      readonly kind: 'struct';
      readonly fields: readonly { readonly name: string; readonly value: Expr }[];
      readonly truncated: boolean;
      readonly at: Place;
    }
  /** `[value, ...]`: arrays, strace's `[0] => [1]` pairs keep the first. */
  | {
      readonly kind: 'array';
      readonly items: readonly Expr[];
      readonly truncated: boolean;
      readonly at: Place;
    }
  /** `&x`, or a nested call such as `makedev(0x1, 0x5)`, kept for its arguments. */
  | {
      readonly kind: 'nested';
      readonly name: string;
      readonly args: readonly Expr[];
      readonly at: Place;
    }
  /** strace -y: `3</usr/lib/libc.so.6>`; `path` is what stands in the brackets. */
  | { readonly kind: 'fd'; readonly fd: number; readonly path: string; readonly at: Place };

/** An argument; strace writes some as `name=value` (clone, prlimit). */
export interface Arg {
  readonly name?: string;
  readonly value: Expr;
}

/** What the text says a call returned. */
export type Expected =
  /** `= 0x7f...`, `= 3</path>` (strace -y: path of the new descriptor). */
  | { readonly kind: 'value'; readonly value: U64; readonly text: string; readonly path?: string }
  /** A scenario may expect a name or sum: `= a+4K`. */
  | { readonly kind: 'expr'; readonly value: Expr; readonly text: string }
  /** `= -1 ENOMEM (Cannot allocate memory)`. */
  | { readonly kind: 'errno'; readonly errno: number; readonly name: string }
  /** `= ?`: the call did not return (exit, exec in another thread, kill). */
  | { readonly kind: 'none' };

export type AccessKind = 'read' | 'write' | 'exec';
export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** One side of an `expect`. */
export type Operand =
  | { readonly kind: 'expr'; readonly expr: Expr }
  /** `minflt`, `majflt`: faults taken by the task's last access or call. */
  | { readonly kind: 'faults'; readonly task: string; readonly which: 'minflt' | 'majflt' }
  /** `signal`: `SIGSEGV/MAPERR`, `SIGSEGV`, `none` of the task's last step. */
  | { readonly kind: 'signal'; readonly task: string }
  /** `result`: value or errno of the task's last call. */
  | { readonly kind: 'result'; readonly task: string }
  /** `/proc/child/status RssShmem`, `/proc/vmstat pgfault`, a sysfs file (no field). */
  | { readonly kind: 'field'; readonly path: string; readonly field: string }
  /** `/proc/child/smaps a Rss`: a field of the VMA that holds an address. */
  | {
      readonly kind: 'smaps';
      readonly path: string;
      readonly address: Expr;
      readonly field: string;
    }
  /** `child: page a+4K`: identity of the frame mapped there. */
  | { readonly kind: 'page'; readonly task: string; readonly address: Expr }
  /** `child: order a`: order of the folio mapped there. */
  | { readonly kind: 'order'; readonly task: string; readonly address: Expr }
  /** `child: index a`: index of the mapped page inside its folio. */
  | { readonly kind: 'index'; readonly task: string; readonly address: Expr }
  /** `child: value a`: the byte that a load would see. */
  | { readonly kind: 'value'; readonly task: string; readonly address: Expr }
  /** `child: mapcount a`: mapcount of the page mapped there. */
  | { readonly kind: 'mapcount'; readonly task: string; readonly address: Expr }
  /** `child: vmas`: number of VMAs of the task. */
  | { readonly kind: 'vmas'; readonly task: string }
  /** Bare words on the right: `SIGSEGV`, `none`, `[madvise]`. */
  | { readonly kind: 'word'; readonly text: string };

export type Expectation =
  | {
      readonly kind: 'compare';
      readonly left: Operand;
      readonly op: CompareOp;
      readonly right: Operand;
      /** Unit after the right side (`16 kB`), '' if none. */
      readonly unit: string;
    }
  /** `expect child: a mapped` / `unmapped`, over [address, address+length). */
  | {
      readonly kind: 'mapped';
      readonly task: string;
      readonly address: Expr;
      readonly length?: Expr;
      readonly mapped: boolean;
    };

export type Op =
  /**
   * In a log, `args` is computed from the text whenever it is read (so that a log of millions of
   * lines fits in memory): read it once per step, and do not copy the op by spreading it. A call
   * of class `ignored` (calls.ts) has no args.
   */
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Arg[] }
  | {
      readonly kind: 'access';
      readonly access: AccessKind;
      readonly address: Expr;
      /** Bytes; one page when absent. */
      readonly length?: Expr;
      /**
       * `write a = 99`: the byte to store; a fresh number when absent. `read a = 99` expects the
       * byte instead: it stands in the step's `expected`.
       */
      readonly value?: Expr;
    }
  | { readonly kind: 'echo'; readonly value: string; readonly path: string }
  | { readonly kind: 'cat'; readonly path: string }
  | { readonly kind: 'expect'; readonly expectation: Expectation }
  /** strace: `--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---`. */
  | {
      readonly kind: 'signal';
      readonly signal: string;
      readonly code?: string;
      readonly address?: U64;
    }
  /**
   * strace: `+++ exited with 0 +++`, `+++ killed by SIGKILL +++`. `supersededBy` is the thread
   * whose execve made this one (the leader) go on as the new program: that thread's id is gone.
   */
  | {
      readonly kind: 'exited';
      readonly status?: number;
      readonly killedBy?: string;
      readonly supersededBy?: string;
    };

export interface Step {
  /**
   * Where the step begins. A log's call that ends on a later line stands in the order of its *end*,
   * except fork, vfork, clone and clone3: the child may act before its parent's call returns, so
   * these stand where they begin.
   */
  readonly at: Place;
  /** Line where the call ended, when that is another line than the one where it began. */
  readonly endLine?: number;
  /** The step as written, without task prefix, time stamp and comment. */
  readonly text: string;
  /** Task's name, or strace's pid as text; '' where the text names none (the first task). */
  readonly task: string;
  readonly op: Op;
  /** `NAME = call(...)`. */
  readonly bind?: string;
  readonly expected?: Expected;
  /** Seconds, where the log has time stamps (absolute or relative as written). */
  readonly time?: number;
  /** A call that was still in progress when the log ended, or whose end was lost. */
  readonly unfinished?: boolean;
}

export interface Program {
  readonly file: string;
  readonly dialect: 'scenario' | 'strace';
  /** `kernel NAME`, absent when the text names none. */
  readonly kernel?: string;
  /** `memory 4G` in bytes, absent when the text names none. */
  readonly memory?: number;
  /** The comment block at the head: what the scenario shows and why. */
  readonly about: string;
  readonly steps: readonly Step[];
  /** Lines of an strace log that were dropped because they are torn (counted, diagnosed). */
  readonly torn: number;
}
