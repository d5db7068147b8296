/**
 * What a variant may import from 'faultline': the model's functions that finish_fault() is made of,
 * under the kernel's names, and the types of their arguments.
 */
export { modPow2 } from '../base/index.ts';
export { addRss, pteRangeNone } from '../mm/fault_result.ts';
export { cacheGet, filePages, linearPageIndex } from '../mm/filemap.ts';
export {
  mapRange,
  pageOfFault,
  pmdOrPageTable,
  rangeNone,
  slotOf,
  wholeFolioFits,
} from '../mm/finish_fault/common.ts';
export { folioIndex, folioOrder, folioPages, folioRefAdd, headOf } from '../mm/folio.ts';
export { isCow, setPteRange, vmfPteChanged } from '../mm/memory_map.ts';
export type { Machine } from '../mm/mm_types.ts';
export type { FinishFault, Release } from '../mm/release_types.ts';
export { OPS_FILE, OPS_NONE, OPS_SHMEM, OPS_SHMEM_ANON, VM_SHARED } from '../mm/vm_flags.ts';
export { uffdArmed } from '../mm/vma_prot.ts';
export {
  FAULT_FLAG_WRITE,
  VM_FAULT_FALLBACK,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type Vmf,
} from '../mm/vmf.ts';
