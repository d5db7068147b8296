/**
 * The real kernel as a second implementation of "program → transcript". It needs root, a C compiler
 * and /proc/kpageflags; where something is missing, `open` says what.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { arch, cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { word } from '../base/index.ts';
import { type Program, parseProgram } from '../scenario/index.ts';
import { parsePairs } from '../scenario/proc_text.ts';
import { PAGE_ZERO } from '../scenario/transcript.ts';
import { buildExecutor, cacheDirectory } from './build.ts';
import { Connection, type Job } from './connection.ts';
import { BEFORE_FIRST, decodeFrame } from './decode.ts';
import {
  encodeProgram,
  type Level,
  PROGRAM_HOLD,
  PROGRAM_LAYOUT,
  PROGRAM_STATS,
} from './encode.ts';
import { type HostLayout, layoutOf, type OwnImage } from './layout.ts';
import { assemble, type HostTranscript } from './transcript.ts';

export interface HostOptions {
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
  /** Statistics of folio sizes and vmstat after each step; they count for the whole machine. */
  readonly stats?: boolean;
}

export interface HostInfo {
  /** Process number of the executor's launcher. */
  readonly pid: number;
  readonly release: string;
  readonly cpus: readonly number[];
  /** File systems below the scenario's paths: "ext4" or the magic number in hex. */
  readonly workFileSystem: string;
  readonly shmFileSystem: string;
  readonly layout: HostLayout;
  readonly settings: ReadonlyMap<string, string>;
  /** read_ahead_kb of the disk below the scenario's paths; 128 where it has none. */
  readonly readAheadKb: number;
  /** RAM (MemTotal). */
  readonly memoryBytes: number;
  /** Numbers of the capabilities that a program's first task has. */
  readonly capabilities: readonly number[];
  /** A read fault of anonymous memory allocates a page; it never maps the shared zero page. */
  readonly anonReadsAllocate: boolean;
}

const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  ef53: 'ext4',
  '1021994': 'tmpfs',
  '58465342': 'xfs',
  '9123683e': 'btrfs',
  '794c7630': 'overlayfs',
};

const OPEN_LIMIT_MS = 20000;
const CLOSE_LIMIT_MS = 5000;
const DEFAULT_STEP_LIMIT_MS = 5000;
const DEFAULT_LOCK_WAIT_MS = 10000;
/** What a frame may take beyond its steps' limits before the executor counts as stuck. */
const FRAME_LIMIT_MS = 30000;

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
  readonly #queue: (() => void)[] = [];

  private constructor(connection: Connection, options: HostOptions, info: HostInfo, own: OwnImage) {
    this.#connection = connection;
    this.#options = options;
    this.#info = info;
    this.#own = own;
  }

  static async open(options: HostOptions = {}): Promise<HostKernel | { unavailable: string }> {
    if (platform() !== 'linux' || arch() !== 'x64') {
      return { unavailable: 'the executor runs on x86-64 Linux only' };
    }
    if (process.getuid?.() !== 0) {
      return {
        unavailable: 'page frames can be seen by root only (/proc/PID/pagemap, kpageflags)',
      };
    }
    const built = await buildExecutor();
    if ('unavailable' in built) return built;
    const chosen = options.cpus ?? [cpus().length - 1];
    const lock = options.lockPath ?? '/tmp/faultline-host.lock';
    const wait = options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS;
    // Made and removed by the executor, which outlives us when we are killed.
    const scratch = join(await scratchParent(), `host-${process.pid}-${Date.now()}`);
    const args = ['serve', lock, String(wait), scratch, ...chosen.map(String)];
    const connection = new Connection(built.path, args, chosen.length);
    return await introduce(connection, { ...options, lockWaitMs: wait }, chosen);
  }

  /** Used by `open` when the executor has said hello. */
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
    const stepLimitMs = this.#options.stepLimitMs ?? DEFAULT_STEP_LIMIT_MS;
    const encoded = encodeProgram(program, this.#nextId++, {
      level: options.observe,
      limitMs: stepLimitMs,
      flags: (options.stats ? PROGRAM_STATS : 0) | (options.hold ? PROGRAM_HOLD : 0),
    });
    const kernel = `host ${this.#info.release}`;
    const context = { kernel, program, encoded, own: this.#own, info: this.#info };
    if (encoded.report.errors > 0) return assemble(context, undefined, '');
    const hold = options.hold === true;
    const news = encoded.written.some(([path, value]) => this.#held.get(path) !== value);
    // One executor does one program after the other anyway.
    await this.#enter((hold || news) && this.#connection.jobs.length > 1);
    try {
      const limit = stepLimitMs * (program.steps.length + 1) + FRAME_LIMIT_MS;
      // The first job holds the settings: only it knows what to put back.
      const job = hold ? this.#connection.jobs[0]! : this.#freeJob();
      if (hold) this.#held = new Map(encoded.written);
      const words = await ask(job, encoded.frame.bytes(), limit);
      const decoded = words === undefined ? undefined : decodeFrame(words);
      return assemble({ ...context, hold }, decoded, this.#connection.errors);
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

async function scratchParent(): Promise<string> {
  try {
    await mkdir(cacheDirectory(), { recursive: true });
    return cacheDirectory();
  } catch {
    return tmpdir();
  }
}

/** The setting is an unsigned int. */
const SLEEP_MAX_MS = 4294967295;
const READ_AHEAD_KB = 128;

/** The device number is coded as the kernel's new_encode_dev() does. */
async function readAheadOf(directory: string): Promise<number> {
  const { dev } = await stat(directory);
  const device = `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`;
  try {
    return Number(await readFile(`/sys/class/bdi/${device}/read_ahead_kb`, 'utf8'));
  } catch {
    return READ_AHEAD_KB;
  }
}

/** The executor's tasks inherit ours. */
async function capabilities(): Promise<number[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const digits = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '';
  const found: number[] = [];
  for (let number = 0; number < digits.length * 4; number++) {
    const digit = Number.parseInt(digits[digits.length - 1 - (number >> 2)]!, 16);
    if ((digit >> (number & 3)) & 1) found.push(number);
  }
  return found;
}

/** Sends a frame and waits for the answer; undefined when the executor is gone. */
function ask(job: Job, frame: Uint8Array, limitMs: number): Promise<Uint32Array | undefined> {
  return new Promise((resolve) => job.send(frame, limitMs, resolve));
}

function nextFrame(job: Job, limitMs: number): Promise<Uint32Array | undefined> {
  return new Promise((resolve) => job.expect(limitMs, resolve));
}

const EMPTY: Program = { file: '', dialect: 'scenario', about: '', steps: [], torn: 0 };

/**
 * What is asked first: the result of mmap() is the top of the first hole, and the page that the read
 * maps says whether this kernel has a zero page.
 */
const PROBE = parseProgram(
  'p = mmap(NULL, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\nread p\n',
  'probe',
).program;
const PROBE_READ = 1;

async function introduce(
  connection: Connection,
  options: HostOptions,
  chosen: readonly number[],
): Promise<HostKernel | { unavailable: string }> {
  const limit = OPEN_LIMIT_MS + (options.lockWaitMs ?? 0);
  const fail = async (why: string) => {
    await connection.close(CLOSE_LIMIT_MS);
    return { unavailable: connection.errors || why };
  };
  const ready = await Promise.all(connection.jobs.map((job) => nextFrame(job, limit)));
  if (ready.some((words) => words === undefined)) return fail('the executor did not start');
  const facts = parsePairs(decodeFrame(ready[0]!).ready);
  const [start, end] = (facts.get('image') ?? '').split(' ');
  const own = { startVpn: pageOf(start), endVpn: pageOf(end) };
  const probe = encodeProgram(PROBE, 0, {
    level: 'full',
    limitMs: DEFAULT_STEP_LIMIT_MS,
    flags: PROGRAM_LAYOUT,
  });
  const words = await ask(connection.jobs[0]!, probe.frame.bytes(), OPEN_LIMIT_MS);
  if (words === undefined) return fail('the executor ended');
  const decoded = decodeFrame(words);
  const first = decoded.outcomes[0]?.outcome.value;
  const view = decoded.observations.get(BEFORE_FIRST)?.get(0);
  const layout = view && first && layoutOf(view, own, word.pageOf(first) + 1);
  if (!layout) return fail('the executor cannot see its first task');
  const read = decoded.observations.get(PROBE_READ)?.get(0)?.pages;
  const page = read === undefined ? -1 : read.vpn.indexOf(layout.mmapTopVpn - 1);
  const system = (key: string) => {
    const magic = facts.get(key) ?? '';
    return FILE_SYSTEMS[magic] ?? `file system 0x${magic}`;
  };
  const info: HostInfo = {
    pid: connection.pid,
    release: release(),
    cpus: chosen,
    workFileSystem: system('work'),
    shmFileSystem: system('shm'),
    layout,
    settings: parsePairs(decoded.settingsBefore),
    readAheadKb: await readAheadOf(await scratchParent()),
    memoryBytes: totalmem(),
    capabilities: await capabilities(),
    anonReadsAllocate: page >= 0 && (read!.bits[page]! & PAGE_ZERO) === 0,
  };
  return HostKernel.make(connection, options, info, own);
}

function pageOf(hex: string | undefined): number {
  return Number.parseInt((hex ?? '0').slice(0, -3), 16);
}
