/**
 * Where things lie in a task before its first step, so that a model can be booted alike; and the
 * executor's own image, which is taken out of all that is reported of a task.
 */
import {
  STATUS_FIELDS,
  type TaskObservation,
  type VmaObservation,
} from '../scenario/transcript.ts';
import type { TaskView } from './decode.ts';

export interface HostLayout {
  /** End of the hole that the top-down search for mmap begins with (mmap_base). */
  readonly mmapTopVpn: number;
  /** Start of the heap (brk). */
  readonly brkVpn: number;
  /** First page of the stack's mapping, and the page behind its last. */
  readonly stackStartVpn: number;
  readonly stackEndVpn: number;
  /** First page number that user space does not have. */
  readonly taskEndVpn: number;
  /**
   * The mapping of the executor's own image: it takes address space and one place in the map count,
   * and counts for RLIMIT_AS and RLIMIT_DATA; all its pages belong to the executor.
   */
  readonly own: VmaObservation;
  /** The program's task before its first step, without the executor's image. */
  readonly initial: TaskObservation;
}

const KB_PER_PAGE = 4;
/** The image's page tables: one of each level below the top, shared with nothing else. */
const OWN_TABLES_KB = 12;

export interface OwnImage {
  readonly startVpn: number;
  readonly endVpn: number;
}

/**
 * What is seen of a task, the executor's image taken out. Sizes in kB come from status, which is
 * read at level `full` only; -1 says that it was not read.
 */
export function observationOf(name: string, view: TaskView, own: OwnImage): TaskObservation {
  const known = observations.get(view);
  if (known !== undefined && known.task === name) return known;
  const made = makeObservation(name, view, own);
  observations.set(view, made);
  return made;
}

/** A view that stays as it was, step after step, is observed once. */
const observations = new WeakMap<TaskView, TaskObservation>();

function makeObservation(name: string, view: TaskView, own: OwnImage): TaskObservation {
  const { status, vmas } = view.text;
  const image = vmas.find((vma) => vma.startVpn === own.startVpn);
  const kb = (key: string) => status.get(key) ?? -1;
  const net = (key: string, pages: number) => {
    const value = status.get(key);
    return value === undefined ? -1 : value - pages * KB_PER_PAGE;
  };
  const imagePages = image === undefined ? 0 : own.endVpn - own.startVpn;
  const lockedPages = image?.vmFlags?.includes('lo') ? imagePages : 0;
  return {
    task: name,
    vmas: vmas.filter((vma) => vma.startVpn < own.startVpn || vma.startVpn >= own.endVpn),
    pages: view.pages,
    rss: {
      anon: net('RssAnon', view.own[0]),
      file: kb('RssFile'),
      shmem: net('RssShmem', view.own[1]),
      swap: kb('VmSwap'),
    },
    vmPte: status.has('VmPTE') ? kb('VmPTE') - OWN_TABLES_KB : -1,
    vmSize: net('VmSize', imagePages),
    vmLck: net('VmLck', lockedPages),
    ...(status.size === 0
      ? {}
      : { status: statusOf(status, imagePages, view.own[0] + view.own[1]) }),
  };
}

/** The lines of STATUS_FIELDS that are there, without the image, of which `present` pages are. */
function statusOf(
  status: ReadonlyMap<string, number>,
  imagePages: number,
  present: number,
): Record<string, number> {
  // The image is one mapping, writable, so that it counts as data (is_data_mapping()).
  const own: Readonly<Record<string, number>> = {
    ...{ VmPeak: imagePages, VmData: imagePages },
    ...{ VmHWM: present, VmRSS: present },
  };
  const found: Record<string, number> = {};
  for (const key of STATUS_FIELDS) {
    const value = status.get(key);
    if (value !== undefined) found[key] = value - (own[key] ?? 0) * KB_PER_PAGE;
  }
  return found;
}

/** The layout of a fresh task; undefined when it is not as expected (no stack, no image). */
export function layoutOf(
  view: TaskView,
  own: OwnImage,
  mmapTopVpn: number,
): HostLayout | undefined {
  const image = view.text.vmas.find((vma) => vma.startVpn === own.startVpn);
  const stack = view.text.vmas.find((vma) => vma.name === '[stack]');
  if (image === undefined || stack === undefined) return undefined;
  return {
    mmapTopVpn,
    brkVpn: own.endVpn,
    stackStartVpn: stack.startVpn,
    stackEndVpn: stack.endVpn,
    taskEndVpn: 0x7ffffffff,
    own: image,
    initial: observationOf('', view, own),
  };
}
