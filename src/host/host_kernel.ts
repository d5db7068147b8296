/**
 * A real kernel as a second implementation of "program → transcript": the one of this machine, or
 * one in a virtual machine. It speaks to executors through a connection and does not know which.
 */
import type { Program } from '../scenario/index.ts';
import type { Unseen } from '../scenario/transcript.ts';
import type { Connection, Job } from './connection.ts';
import { decodeFrame } from './decode.ts';
import {
  encodeProgram,
  FRAME_FLAGS,
  type Level,
  PROGRAM_HOLD,
  PROGRAM_KEPT,
  PROGRAM_REUSE,
  PROGRAM_STATS,
} from './encode.ts';
import type { Facts } from './facts.ts';
import type { HostLayout, OwnImage } from './layout.ts';
import { assemble, type HostTranscript } from './transcript.ts';

export interface HostOptions {
  /** A kernel image to boot in a virtual machine; this machine's kernel when absent. */
  readonly image?: string;
  /** CPUs to run on, one executor each; the last CPU of the machine when absent. */
  readonly cpus?: readonly number[];
  /** Limit for one step. */
  readonly stepLimitMs?: number;
  /** One run at a time on a machine: its settings are shared by all. */
  readonly lockPath?: string;
  /** How long to wait for another run to end. */
  readonly lockWaitMs?: number;
}

export interface ExecuteOptions {
  readonly observe: Level;
  /**
   * What the program writes to settings stays until the next program that holds, so that programs
   * that write the same values may run beside each other.
   */
  readonly hold?: boolean;
  /**
   * The process that played the last program's first task may play this one's, if nothing of that
   * program is left in it: faster by far than a new one.
   */
  readonly reuse?: boolean;
  /** Statistics of folio sizes and vmstat after each step; they count for the whole machine. */
  readonly stats?: boolean;
}

export interface HostInfo extends Facts {
  /** Where it runs; the first word of a transcript's kernel. */
  readonly where: 'host' | 'vm';
  /** Process number of the executor's launcher, or of the virtual machine. */
  readonly pid: number;
  readonly cpus: readonly number[];
  readonly layout: HostLayout;
  readonly settings: ReadonlyMap<string, string>;
  /** A read fault of anonymous memory allocates a page; it never maps the shared zero page. */
  readonly anonReadsAllocate: boolean;
  /** What cannot be observed there. */
  readonly unseen: readonly Unseen[];
}

const CLOSE_LIMIT_MS = 5000;
export const STEP_LIMIT_MS = 5000;
/** Emulated, everything takes ten to twenty times as long. */
export const VM_STEP_LIMIT_MS = 30000;
/** What a frame may take beyond its steps' limits before the executor counts as stuck. */
const FRAME_LIMIT_MS = 30000;
/** An executor that is gone: how long to wait for what it, or its kernel, had to say. */
const LAST_WORDS_MS = 500;

export class HostKernel {
  readonly #connection: Connection;
  readonly #options: HostOptions;
  readonly #info: HostInfo;
  readonly #own: OwnImage;
  #nextId = 1;
  /** Programs that are running; one that writes settings runs alone. */
  #running = 0;
  #alone = false;
  #held: ReadonlyMap<string, string> = new Map();
  /** How often the held settings were changed, and as of when each job has read them. */
  #epoch = 0;
  readonly #epochOf = new Map<Job, number>();
  readonly #queue: (() => void)[] = [];

  private constructor(connection: Connection, options: HostOptions, info: HostInfo, own: OwnImage) {
    this.#connection = connection;
    this.#options = options;
    this.#info = info;
    this.#own = own;
  }

  /** Of a connection whose executors have said hello (open.ts). */
  static make(
    connection: Connection,
    options: HostOptions,
    info: HostInfo,
    own: OwnImage,
  ): HostKernel {
    return new HostKernel(connection, options, info, own);
  }

  info(): HostInfo {
    return this.#info;
  }

  /** Executes a program; never throws for what the program or the kernel does. */
  async execute(program: Program, options: ExecuteOptions): Promise<HostTranscript> {
    const { where, release } = this.#info;
    const stepLimitMs =
      this.#options.stepLimitMs ?? (where === 'vm' ? VM_STEP_LIMIT_MS : STEP_LIMIT_MS);
    const encoded = encodeProgram(program, this.#nextId++, {
      level: options.observe,
      limitMs: stepLimitMs,
      flags:
        (options.stats ? PROGRAM_STATS : 0) |
        (options.hold ? PROGRAM_HOLD : 0) |
        (options.reuse ? PROGRAM_REUSE : 0),
    });
    const kernel = `${where} ${release}`;
    const context = { kernel, program, encoded, own: this.#own, info: this.#info };
    if (encoded.report.errors > 0)
      return assemble(context, undefined, { errors: '', lastLines: [] });
    const hold = options.hold === true;
    const news = encoded.written.some(([path, value]) => this.#held.get(path) !== value);
    // One executor does one program after the other anyway. Statistics count for the whole machine.
    const alone = hold || news || options.stats === true;
    await this.#enter(alone && this.#connection.jobs.length > 1);
    try {
      const limit = stepLimitMs * (program.steps.length + 1) + FRAME_LIMIT_MS;
      // The first job holds the settings: only it knows what to put back.
      const job = hold ? this.#connection.jobs[0]! : this.#freeJob();
      if (hold) {
        this.#held = new Map(encoded.written);
        this.#epoch++;
      } else if (this.#epochOf.get(job) === this.#epoch) {
        encoded.frame.set(FRAME_FLAGS, encoded.frame.get(FRAME_FLAGS) | PROGRAM_KEPT);
      }
      this.#epochOf.set(job, this.#epoch);
      const words = await ask(job, encoded.frame.bytes(), limit);
      if (words === undefined) await this.#connection.lastWords(LAST_WORDS_MS);
      const decoded = words === undefined ? undefined : decodeFrame(words);
      const complaints = this.#connection.complaints();
      const { errors, lastLines } = this.#connection;
      return assemble({ ...context, hold, complaints }, decoded, { errors, lastLines });
    } finally {
      this.#leave();
    }
  }

  /**
   * khugepaged collapses memory at times of its own, which no model can know. It sleeps from now on
   * until this kernel is closed.
   */
  async quiet(): Promise<void> {
    const path = '/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs';
    const op = { kind: 'echo' as const, value: String(SLEEP_MAX_MS), path };
    const step = { at: { line: 1, column: 1 }, text: 'khugepaged sleeps', task: '', op };
    await this.execute({ ...EMPTY, steps: [step] }, { observe: 'none', hold: true });
  }

  async close(): Promise<void> {
    await this.#connection.close(CLOSE_LIMIT_MS);
  }

  #freeJob(): Job {
    const { jobs } = this.#connection;
    const alive = jobs.filter((job) => !job.ended);
    return alive.reduce(
      (best, job) => (job.waiting < best.waiting ? job : best),
      alive[0] ?? jobs[0]!,
    );
  }

  async #enter(alone: boolean): Promise<void> {
    while (this.#alone || (alone && this.#running > 0)) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#running++;
    this.#alone = alone;
  }

  #leave(): void {
    this.#running--;
    this.#alone = false;
    for (const wake of this.#queue.splice(0)) wake();
  }
}

/** The setting is an unsigned int. */
const SLEEP_MAX_MS = 4294967295;

/** Sends a frame and waits for the answer; undefined when the executor is gone. */
export function ask(
  job: Job,
  frame: Uint8Array,
  limitMs: number,
): Promise<Uint32Array | undefined> {
  return new Promise((resolve) => job.send(frame, limitMs, resolve));
}

const EMPTY: Program = { file: '', dialect: 'scenario', about: '', steps: [], torn: 0 };
