/** Settings to be tried: each is complete, so that what a machine has now does not matter. */
import { orderKb } from '../base/index.ts';
import { type SettingWrite, THP_ROOT } from '../replay/index.ts';

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

/** Every size's file: a choice says all of them. */
export function candidateOf(choice: Choice): Candidate {
  const { anon, policy = 'always', shmem = [], shmemPolicy = 'always', faultAround } = choice;
  const settings: SettingWrite[] = [];
  for (const order of ANON_ORDERS) {
    const value = anon.includes(order) ? policy : 'never';
    settings.push({ path: `${THP_ROOT}hugepages-${orderKb(order)}kB/enabled`, value });
  }
  for (const order of SHMEM_ORDERS) {
    const value = shmem.includes(order) ? shmemPolicy : 'never';
    settings.push({ path: `${THP_ROOT}hugepages-${orderKb(order)}kB/shmem_enabled`, value });
  }
  if (faultAround !== undefined) {
    settings.push({ path: FAULT_AROUND, value: String(faultAround) });
  }
  return { name: nameOf(choice), settings };
}

/** What every other setting is compared with: no large folio anywhere. */
export const REFERENCE: Candidate = candidateOf({ anon: [] });

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

/** The settings tried when none are given: 16, and more where the trace has more to gain. */
export function defaultCandidates(traits: Traits): Candidate[] {
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
  return choices.map(candidateOf);
}
