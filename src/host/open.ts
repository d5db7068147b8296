/**
 * A real kernel is opened: its executor started, on this machine or in a virtual one, and asked what
 * it is. Where that cannot be done, the answer says why.
 */
import { mkdir } from 'node:fs/promises';
import { arch, cpus, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { word } from '../base/index.ts';
import { parseProgram } from '../scenario/index.ts';
import { parsePairs } from '../scenario/proc_text.ts';
import { PAGE_ZERO } from '../scenario/transcript.ts';
import { buildExecutor, cacheDirectory } from './build.ts';
import { Connection, type Job } from './connection.ts';
import { BEFORE_FIRST, decodeFrame } from './decode.ts';
import { encodeProgram, PROGRAM_LAYOUT } from './encode.ts';
import { type Facts, factsOf, unseenOf } from './facts.ts';
import {
  ask,
  type HostInfo,
  HostKernel,
  type HostOptions,
  STEP_LIMIT_MS,
  VM_STEP_LIMIT_MS,
} from './host_kernel.ts';
import { layoutOf } from './layout.ts';
import { LocalProcess, type Transport } from './transport.ts';
import { readKernelImage } from './vm/kernel_image.ts';
import { VirtualMachine } from './vm/machine.ts';

export interface Unavailable {
  readonly unavailable: string;
  readonly hint?: string;
  /** Last lines of a virtual machine's console. */
  readonly console?: readonly string[];
  /** The kernel was there and failed: it panicked, or hangs. Else it could not be asked at all. */
  readonly kernelFailed?: boolean;
}

const OPEN_LIMIT_MS = 20000;
const CLOSE_LIMIT_MS = 5000;
const DEFAULT_LOCK_WAIT_MS = 10000;

export async function openHostKernel(options: HostOptions = {}): Promise<HostKernel | Unavailable> {
  if (platform() !== 'linux' || arch() !== 'x64') {
    return { unavailable: 'the executor runs on x86-64 Linux only' };
  }
  return options.image === undefined
    ? await openLocal(options)
    : await openVirtual(options.image, options);
}

async function openLocal(options: HostOptions): Promise<HostKernel | Unavailable> {
  if (process.getuid?.() !== 0) {
    return { unavailable: 'page frames can be seen by root only (/proc/PID/pagemap, kpageflags)' };
  }
  const built = await buildExecutor();
  if ('unavailable' in built) return built;
  const chosen = options.cpus ?? [cpus().length - 1];
  const lock = options.lockPath ?? '/tmp/faultline-host.lock';
  const wait = options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS;
  // Made and removed by the executor, which outlives us when we are killed.
  const scratch = join(await scratchParent(), `host-${process.pid}-${Date.now()}`);
  const args = ['serve', lock, String(wait), scratch, ...chosen.map(String)];
  const transport = new LocalProcess(built.path, args, chosen.length);
  return await introduce(transport, options, { where: 'host', cpus: chosen, waitMs: wait });
}

/** Needs no rights, and no lock: nothing of this machine is changed. */
async function openVirtual(path: string, options: HostOptions): Promise<HostKernel | Unavailable> {
  const image = await readKernelImage(path);
  if ('reason' in image) {
    const { reason, hint } = image;
    return hint === undefined ? { unavailable: reason } : { unavailable: reason, hint };
  }
  const built = await buildExecutor();
  if ('unavailable' in built) return built;
  const jobs = Math.max(1, options.cpus?.length ?? 1);
  const machine = await VirtualMachine.boot(image, { jobs, executor: built.path });
  if ('failed' in machine) {
    const { failed } = machine;
    const { reason, hint, console, kind } = failed;
    const unavailable = `${image.release}: ${reason}`;
    const more = hint === undefined ? {} : { hint };
    return { unavailable, kernelFailed: kind === 'kernel', console, ...more };
  }
  // The machine has a CPU for each channel.
  const own = machine.channels.map((_, i) => i);
  return await introduce(machine, options, { where: 'vm', cpus: own, waitMs: 0 });
}

async function scratchParent(): Promise<string> {
  try {
    await mkdir(cacheDirectory(), { recursive: true });
    return cacheDirectory();
  } catch {
    return tmpdir();
  }
}

function nextFrame(job: Job, limitMs: number): Promise<Uint32Array | undefined> {
  return new Promise((resolve) => job.expect(limitMs, resolve));
}

/**
 * What is asked first: the result of mmap() is the top of the first hole, and the page that the read
 * maps says whether this kernel has a zero page.
 */
const PROBE = parseProgram(
  'p = mmap(NULL, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\nread p\n',
  'probe',
).program;
const PROBE_READ = 1;

interface Place {
  readonly where: HostInfo['where'];
  readonly cpus: readonly number[];
  /** How long the executor may wait for its lock. */
  readonly waitMs: number;
}

async function introduce(
  transport: Transport,
  options: HostOptions,
  place: Place,
): Promise<HostKernel | Unavailable> {
  const connection = new Connection(transport);
  const limit = OPEN_LIMIT_MS + place.waitMs;
  const fail = async (why: string): Promise<Unavailable> => {
    await connection.close(CLOSE_LIMIT_MS);
    return { unavailable: connection.errors || why };
  };
  const ready = await Promise.all(connection.jobs.map((job) => nextFrame(job, limit)));
  if (ready.some((words) => words === undefined)) return fail('the executor did not start');
  const hello = decodeFrame(ready[0]!);
  const facts: Facts = factsOf(hello.ready, hello.config);
  const own = facts.image;
  const probe = encodeProgram(PROBE, 0, {
    level: 'full',
    limitMs: place.where === 'vm' ? VM_STEP_LIMIT_MS : STEP_LIMIT_MS,
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
  const info: HostInfo = {
    ...facts,
    where: place.where,
    pid: connection.pid,
    cpus: place.cpus,
    layout,
    settings: parsePairs(decoded.settingsBefore),
    anonReadsAllocate: page >= 0 && (read!.bits[page]! & PAGE_ZERO) === 0,
    unseen: unseenOf(facts),
  };
  return HostKernel.make(connection, options, info, own);
}
