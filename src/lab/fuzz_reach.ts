/**
 * Programs of a fuzz run once more, on the model alone, in worlds that the asked kernel does not
 * offer: so it is found out, and not guessed, which branches are not its own.
 */
import type { Machine } from '../mm/mm_types.ts';
import { KERNELS } from '../mm/release.ts';
import type { Release } from '../mm/release_types.ts';
import { WhyLog } from '../mm/why.ts';
import type { Program } from '../scenario/index.ts';
import type { ReachedBy } from './fuzz_coverage.ts';
import { ModelKernel } from './model_kernel.ts';

/** A world: which kernel on which machine, and what is done to it before the first step. */
export interface World {
  readonly by: ReachedBy;
  readonly release: Release;
  readonly memory: number;
  readonly prepare?: (m: Machine) => void;
  /** Reads what files of /proc say, when the program is over. */
  readonly reads?: boolean;
}

const MEMORY = 1024 ** 3;
/** Too little for some programs: allocations fail. */
const LITTLE = 5 * 1024 ** 2;

function withSettings(release: Release, prepare: (m: Machine) => void, memory = MEMORY): World {
  return { by: 'settings', release, memory, prepare };
}

/** Every world but that of the asked kernel; `anonReadsAllocate` is its machine's. */
export function worldsBeside(release: Release, anonReadsAllocate: boolean): World[] {
  const others = KERNELS.filter((one) => one.name !== release.name);
  return [
    withSettings(release, ({ settings }) => {
      settings.anonReadsAllocate = anonReadsAllocate ? 0 : 1;
    }),
    withSettings(release, ({ settings }) => {
      settings.faultAroundPages = 1;
      settings.overcommitMemory = 1;
      settings.memfdNoexec = 1;
    }),
    withSettings(release, ({ settings }) => {
      settings.faultAroundPages = 512;
      settings.maxMapCount = 9;
      settings.memfdNoexec = 2;
    }),
    withSettings(release, ({ settings }) => {
      settings.overcommitMemory = 2;
      settings.overcommitKbytes = 3000;
      settings.shmAll = 100;
      settings.khugepagedMaxPtesNone = 0;
      settings.khugepagedMaxPtesShared = 0;
    }),
    withSettings(release, () => {}, LITTLE),
    ...others.map((one): World => ({ by: 'release', release: one, memory: MEMORY })),
    {
      by: 'why',
      release,
      memory: MEMORY,
      prepare: (m) => {
        m.why = new WhyLog();
      },
    },
    { by: 'files', release, memory: MEMORY, reads: true },
  ];
}

const TASK_FILES = [
  'maps',
  'smaps',
  'smaps_rollup',
  'status',
  'statm',
  'limits',
  'comm',
  'pagemap',
];
const FILES = ['/proc/vmstat', '/proc/meminfo', '/proc/kpageflags', '/proc/kpagecount'];

function readFiles({ kernel, m, tasks }: ModelKernel): void {
  for (const task of tasks.values()) {
    if (m.task.alive[task] === 0) continue;
    for (const name of TASK_FILES) kernel.readFile(`/proc/${m.task.pid[task]!}/${name}`);
  }
  for (const path of FILES) kernel.readFile(path);
}

/** Executes a program in a world, as far as the model has what it asks for. */
export function playIn(world: World, program: Program): void {
  const { release, memory, prepare, reads } = world;
  const first = program.steps.find((step) => step.task !== '')?.task ?? '';
  const model = new ModelKernel({ release, memory }, first);
  prepare?.(model.m);
  for (const [i, step] of program.steps.entries()) {
    if (step.op.kind === 'expect') continue;
    if (model.execute(step, i).unmodelled !== undefined) break;
  }
  if (reads === true) readFiles(model);
}
