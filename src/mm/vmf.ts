/**
 * The context of one fault (struct vm_fault, include/linux/mm.h): inputs first, then what the
 * phases find out. One object per CPU, reused; all fields numbers, so that its shape never changes.
 */
export const FAULT_FLAG_WRITE = 1 << 0;
export const FAULT_FLAG_EXEC = 1 << 1;
/** Raised by the processor in user mode (else: by the kernel on behalf of the task). */
export const FAULT_FLAG_USER = 1 << 2;
export const FAULT_FLAG_TRIED = 1 << 3;
export const FAULT_FLAG_UNSHARE = 1 << 4;
/** Populate, mlock: a fault that dropped the lock begins anew, as if it had not been tried. */
export const FAULT_FLAG_ANEW = 1 << 5;
/** No FAULT_FLAG_ALLOW_RETRY: the fault waits in place, with the lock held. */
export const FAULT_FLAG_KEEPS_LOCK = 1 << 6;

/** Result bits of the fault path (enum vm_fault_reason). */
export const VM_FAULT_OOM = 1 << 0;
export const VM_FAULT_SIGBUS = 1 << 1;
export const VM_FAULT_MAJOR = 1 << 2;
export const VM_FAULT_HWPOISON = 1 << 4;
export const VM_FAULT_SIGSEGV = 1 << 6;
export const VM_FAULT_NOPAGE = 1 << 8;
export const VM_FAULT_LOCKED = 1 << 9;
export const VM_FAULT_RETRY = 1 << 10;
export const VM_FAULT_FALLBACK = 1 << 11;
export const VM_FAULT_DONE_COW = 1 << 12;
export const VM_FAULT_COMPLETED = 1 << 14;
/** Not the kernel's: the fault waits for a user-space handler (userfaultfd) that never comes. */
export const VM_FAULT_UFFD_WAIT = 1 << 20;
/** Not the kernel's: the next phase is due. */
export const VM_FAULT_NEXT = 1 << 21;

export const VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON;

/** Phases, at the kernel's points where a lock is dropped or awaited. */
export const PHASE_BEGIN = 0;
/** Anonymous: folio allocated, page-table lock not yet taken. */
export const PHASE_ANON_INSTALL = 1;
/** File: fault-around found nothing; ->fault is due. */
export const PHASE_BACKING = 2;
/** File: `page` is found and its folio locked; finish_fault is due. */
export const PHASE_FINISH = 3;
/** Write protection: the copy is made, page-table lock not yet retaken. */
export const PHASE_WP_INSTALL = 4;

export class Vmf {
  task = 0;
  mm = 0;
  vma = 0;
  vpn = 0;
  flags = 0;
  phase = PHASE_BEGIN;
  /** Pool index of the PMD entry for `vpn`. */
  pmdSlot = 0;
  /** Pool index of the PTE, 0 while there is no page table. */
  pteSlot = 0;
  /** PTE (or PMD) as read without the lock. */
  origPte = 0;
  /** Frame that ->fault returned (the very page, not the head); 0 = none. */
  page = 0;
  /** Fresh anonymous page for a private copy. */
  cowPage = 0;
  /** Anonymous fault: folio allocated and its order. */
  folio = 0;
  order = 0;
  /** Anonymous fault: orders still to try when an allocation fails. */
  orders = 0;
  /** Result bits gathered on the way (VM_FAULT_MAJOR). */
  gathered = 0;
}
