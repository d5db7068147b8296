/** What the model's files of /proc say of a task, the executor's image taken out. */
import type { TaskRow } from '../base/index.ts';
import { parseFields, parseMaps } from '../scenario/proc_text.ts';
import {
  STATUS_FIELDS,
  type TaskObservation,
  type VmaObservation,
} from '../scenario/transcript.ts';
import { observeAll } from './expect.ts';
import type { ProgramLayout } from './layout.ts';
import type { ModelKernel } from './model_kernel.ts';
import { sizesOf } from './observation.ts';

const KB_PER_PAGE = 4;

type Files = Omit<TaskObservation, 'pages'>;

function textOf(kernel: ModelKernel, task: TaskRow, file: string): string {
  const found = kernel.kernel.readFile(`/proc/${kernel.m.task.pid[task]!}/${file}`);
  return 'text' in found ? found.text : '';
}

/** A task's mappings as smaps tells them. */
function smapsOf(kernel: ModelKernel, task: TaskRow): readonly VmaObservation[] {
  return parseMaps(textOf(kernel, task, 'smaps'));
}

function statusOf(kernel: ModelKernel, task: TaskRow): Record<string, number> {
  const fields = parseFields(textOf(kernel, task, 'status'));
  const found: Record<string, number> = {};
  for (const key of STATUS_FIELDS) {
    const value = fields.get(key);
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** Mappings without the executor's image, and the sizes that go with them. */
function withoutOwn<T extends Files>(task: T, layout: ProgramLayout): T {
  const { startVpn, endVpn } = layout.own;
  const vmas = task.vmas.filter((vma) => vma.startVpn < startVpn || vma.startVpn >= endVpn);
  if (vmas.length === task.vmas.length) return task;
  // No page of it is present on the model.
  const kb = (endVpn - startVpn) * KB_PER_PAGE;
  const { status } = task;
  const less = (key: string): number => (status?.[key] ?? 0) - kb;
  return {
    ...task,
    vmas,
    vmSize: task.vmSize - kb,
    ...(status === undefined
      ? {}
      : { status: { ...status, VmPeak: less('VmPeak'), VmData: less('VmData') } }),
  };
}

/** All tasks; `full`: with what smaps and status say. */
export function observeFiles(
  kernel: ModelKernel,
  layout: ProgramLayout,
  full: boolean,
): TaskObservation[] {
  return observeAll(kernel).map((seen) => {
    if (!full) return withoutOwn(seen, layout);
    const task = kernel.tasks.get(seen.task)!;
    const files = { vmas: smapsOf(kernel, task), status: statusOf(kernel, task) };
    return withoutOwn({ ...seen, ...files }, layout);
  });
}

/** What the files alone say of a task, in full. */
export function filesOf(kernel: ModelKernel, name: string, layout: ProgramLayout): Files {
  const task = kernel.tasks.get(name)!;
  const sizes = { ...sizesOf(kernel.m, task), status: statusOf(kernel, task) };
  return withoutOwn({ task: name, vmas: smapsOf(kernel, task), ...sizes }, layout);
}
