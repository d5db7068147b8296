/** Settings to be tried: each is complete, so that what a machine has now does not matter. */
import { orderKb, PMD_ORDER } from '../base/index.ts';
import type { Release } from '../mm/release_types.ts';
import { releaseNamed, type SettingWrite, THP_ROOT } from '../replay/index.ts';

export interface Candidate {
  readonly name: string;
  readonly settings: readonly SettingWrite[];
}

/** Orders that anonymous memory can have; shared memory has 8 kB too. */
const ANON_ORDERS = [2, 3, 4, 5, 6, 7, 8, 9];
const SHMEM_ORDERS = [1, ...ANON_ORDERS];
const FAULT_AROUND = '/sys/kernel/debug/fault_around_bytes';

export type SizePolicy = 'always' | 'madvise';
export type ShmemPolicy = 'always' | 'within_size';

export interface Choice {
  readonly anon: readonly number[];
  readonly policy?: SizePolicy;
  readonly shmem?: readonly number[];
  readonly shmemPolicy?: ShmemPolicy;
  /** Bytes; undefined leaves it as it was while recording. */
  readonly faultAround?: number;
}

/** "16K", "2M". */
export function sizeName(order: number): string {
  const kb = orderKb(order);
  return kb >= 1024 ? `${kb / 1024}M` : `${kb}K`;
}

function sizes(orders: readonly number[]): string {
  if (orders.length === ANON_ORDERS.length) return 'all sizes';
  return orders.map(sizeName).join('+');
}

export function nameOf(choice: Choice): string {
  const { anon, policy, shmem = [], shmemPolicy, faultAround } = choice;
  const parts: string[] = [];
  if (anon.length > 0) parts.push(sizes(anon) + (policy === 'madvise' ? ' madvised' : ''));
  if (shmem.length > 0) {
    parts.push(`shmem ${sizes(shmem)}${shmemPolicy === 'within_size' ? ' within size' : ''}`);
  }
  if (parts.length === 0) parts.push('4K only');
  if (faultAround !== undefined) parts.push(`fault-around ${faultAround / 1024}K`);
  return parts.join(', ');
}

/** The sizes that a kernel can be set to, and the file of each. */
interface SizeFiles {
  readonly orders: readonly number[];
  readonly path: (order: number) => string;
}

/** `name`: enabled or shmem_enabled. */
function perSize(orders: readonly number[], name: string): SizeFiles {
  return { orders, path: (order) => `${THP_ROOT}hugepages-${orderKb(order)}kB/${name}` };
}

/** Where sizes have no files of their own, one rules 2 MiB. */
function oneSize(name: string): SizeFiles {
  return { orders: [PMD_ORDER], path: () => THP_ROOT + name };
}

function anonFiles(release: Release): SizeFiles {
  const hasNone = release.lacks.includes('per-size folios');
  return hasNone ? oneSize('enabled') : perSize(ANON_ORDERS, 'enabled');
}

function shmemFiles({ shmemPerSize, shmemOrders }: Release): SizeFiles {
  if (!shmemPerSize) return oneSize('shmem_enabled');
  const orders = SHMEM_ORDERS.filter((order) => ((shmemOrders >> order) & 1) !== 0);
  return perSize(orders, 'shmem_enabled');
}

function writesOf({ orders, path }: SizeFiles, on: readonly number[], policy: string) {
  return orders.map((order) => ({
    path: path(order),
    value: on.includes(order) ? policy : 'never',
  }));
}

/** Every size's file: a choice says all of them. Sizes that the kernel does not have are left out. */
export function candidateOf(choice: Choice, release: Release = releaseNamed()): Candidate {
  const { policy = 'always', shmemPolicy = 'always', faultAround } = choice;
  const anonSizes = anonFiles(release);
  const shmemSizes = shmemFiles(release);
  const anon = choice.anon.filter((order) => anonSizes.orders.includes(order));
  const shmem = (choice.shmem ?? []).filter((order) => shmemSizes.orders.includes(order));
  const settings: SettingWrite[] = [
    ...writesOf(anonSizes, anon, policy),
    ...writesOf(shmemSizes, shmem, shmemPolicy),
  ];
  if (faultAround !== undefined) {
    settings.push({ path: FAULT_AROUND, value: String(faultAround) });
  }
  return { name: nameOf({ ...choice, anon, shmem }), settings };
}

/** What every other setting is compared with: no large folio anywhere. */
export function referenceOf(release: Release = releaseNamed()): Candidate {
  return candidateOf({ anon: [] }, release);
}

/** What a trace has, that decides which settings are worth trying. */
export interface Traits {
  /** Faults of shared memory. */
  readonly shmem: boolean;
  /** MADV_HUGEPAGE is called. */
  readonly advises: boolean;
  /** Faults of files are a tenth of all or more. */
  readonly files: boolean;
}

const SINGLE = [[2], [3], [4], [5], [6], [7], [8], [9]];
const MIXED = [[2, 4], [2, 9], [4, 9], [5, 9], [2, 4, 9], [2, 4, 6, 9], ANON_ORDERS];
const WITH_SHMEM = [[2], [4], [9], [2, 4], [4, 9], [2, 4, 9]];

/**
 * The settings tried when none are given: 16, more where the trace has more to gain, fewer where the
 * kernel has fewer sizes. The reference comes first.
 */
export function defaultCandidates(
  traits: Traits,
  release: Release = releaseNamed(),
): readonly Candidate[] {
  const choices: Choice[] = [{ anon: [] }];
  for (const anon of [...SINGLE, ...MIXED]) choices.push({ anon });
  if (traits.advises) {
    for (const anon of [[9], [4], [2, 4, 9]]) choices.push({ anon, policy: 'madvise' });
  }
  if (traits.shmem) {
    for (const shmem of WITH_SHMEM) {
      choices.push({ anon: [], shmem }, { anon: shmem, shmem });
      choices.push({ anon: shmem, shmem, shmemPolicy: 'within_size' });
    }
  }
  if (traits.files) {
    for (const faultAround of [256 * 1024, 1024 * 1024]) {
      choices.push({ anon: [], faultAround }, { anon: [2, 4, 9], faultAround });
    }
  }
  const byName = new Map<string, Candidate>();
  for (const choice of choices) {
    const candidate = candidateOf(choice, release);
    if (!byName.has(candidate.name)) byName.set(candidate.name, candidate);
  }
  return [...byName.values()];
}
