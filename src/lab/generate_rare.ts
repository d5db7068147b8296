/**
 * Steps that a program has now and then: whole families of calls. How often each comes is said here
 * alone; a family that reaches much of the model has more of them.
 */
import { FILE_FAMILIES } from './generate_files.ts';
import { MEMORY_FAMILIES } from './generate_memory.ts';
import { SEGMENT_FAMILIES } from './generate_segments.ts';
import { settingsStep } from './generate_settings.ts';
import type { Family, GenState } from './generate_state.ts';
import { TASK_FAMILIES } from './generate_tasks.ts';
import { UFFD_FAMILIES } from './generate_uffd.ts';

/** Every family by its name. */
export const FAMILIES = {
  ...FILE_FAMILIES,
  ...MEMORY_FAMILIES,
  ...SEGMENT_FAMILIES,
  ...TASK_FAMILIES,
  ...UFFD_FAMILIES,
  settings: settingsStep,
} as const;

const WEIGHTS: Readonly<Record<keyof typeof FAMILIES, number>> = {
  // Memory.
  brk: 2,
  brkBlocked: 1,
  lockAll: 2,
  lockOnFault: 2,
  readers: 4,
  seal: 3,
  nonlinear: 2,
  stack: 3,
  flagged: 4,
  flaggedFile: 3,
  otherAdvice: 2,
  rareAdvice: 3,
  keys: 1,
  // Descriptors and names.
  seals: 3,
  reopen: 3,
  special: 3,
  duplicates: 2,
  flagsOf: 1,
  close: 1,
  streams: 4,
  disk: 3,
  names: 3,
  oddFile: 2,
  // SysV segments and mounts.
  segments: 7,
  oddSegments: 2,
  hugeMount: 4,
  // Tasks.
  thread: 2,
  share: 2,
  vfork: 2,
  forkAndReap: 3,
  wait: 1,
  identity: 2,
  limits: 3,
  switches: 4,
  // Userfaultfd.
  userfault: 13,
  oddUserfault: 2,
  // Settings, which make the programs beside this one wait.
  settings: 1,
};

/** Each as often as its weight says. */
const WEIGHTED: readonly Family[] = Object.entries(FAMILIES).flatMap(([name, family]) =>
  Array.from({ length: WEIGHTS[name as keyof typeof FAMILIES] }, () => family),
);

/** Families of a program's own, from which most of its rare steps come. */
const OWN_FAMILIES = 3;

/**
 * A rare step. Each program has a few families of its own, so that calls meet others of their kind
 * and of one or two more: all families in every program would hardly ever meet.
 */
export function rareStep(s: GenState): void {
  while (s.own.length < OWN_FAMILIES) s.own.push(s.random.pick(WEIGHTED));
  s.random.pick(s.random.chance(75) ? s.own : WEIGHTED)(s);
}
