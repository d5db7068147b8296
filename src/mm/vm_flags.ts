/**
 * VM_* flags of a mapping, at the kernel's own bit positions (include/linux/mm.h, 6.18). The low
 * 32 bits are `flags`, the rest `flags2` (its bit n is the kernel's bit 32 + n).
 */
export const VM_READ = 1 << 0;
export const VM_WRITE = 1 << 1;
export const VM_EXEC = 1 << 2;
export const VM_SHARED = 1 << 3;
export const VM_MAYREAD = 1 << 4;
export const VM_MAYWRITE = 1 << 5;
export const VM_MAYEXEC = 1 << 6;
export const VM_MAYSHARE = 1 << 7;
export const VM_GROWSDOWN = 1 << 8;
export const VM_UFFD_MISSING = 1 << 9;
export const VM_PFNMAP = 1 << 10;
export const VM_MAYBE_GUARD = 1 << 11;
export const VM_UFFD_WP = 1 << 12;
export const VM_LOCKED = 1 << 13;
export const VM_IO = 1 << 14;
export const VM_SEQ_READ = 1 << 15;
export const VM_RAND_READ = 1 << 16;
export const VM_DONTCOPY = 1 << 17;
export const VM_DONTEXPAND = 1 << 18;
export const VM_LOCKONFAULT = 1 << 19;
export const VM_ACCOUNT = 1 << 20;
export const VM_NORESERVE = 1 << 21;
export const VM_HUGETLB = 1 << 22;
export const VM_SYNC = 1 << 23;
export const VM_ARCH_1 = 1 << 24;
export const VM_WIPEONFORK = 1 << 25;
export const VM_DONTDUMP = 1 << 26;
export const VM_SOFTDIRTY = 1 << 27;
export const VM_MIXEDMAP = 1 << 28;
export const VM_HUGEPAGE = 1 << 29;
export const VM_NOHUGEPAGE = 1 << 30;
export const VM_MERGEABLE = 1 << 31;

/** flags2: protection key in bits 0-3, then single flags. */
export const VM2_PKEY_MASK = 0xf;
export const VM2_UFFD_MINOR = 1 << 6;
export const VM2_DROPPABLE = 1 << 8;
export const VM2_SEALED = 1 << 10;

export const VM_UFFD_ANY = VM_UFFD_MISSING | VM_UFFD_WP;
export const VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC;
/** A VMA with one of these is never merged, expanded by merging or collapsed. */
export const VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP;
export const VM_STACK = VM_GROWSDOWN;

/** What serves a VMA's faults: the model's name for its vm_operations_struct. */
export const OPS_NONE = 0;
/** tmpfs file with a name (shmem_vm_ops). */
export const OPS_SHMEM = 1;
/** Shared anonymous memory, memfd, unlinked tmpfs file (shmem_anon_vm_ops). */
export const OPS_SHMEM_ANON = 2;
/** A regular file on a disk file system: page cache, page_mkwrite, fault-around (ext4). */
export const OPS_FILE = 3;
/** SysV shared memory: shmem behind vm_ops with open and close. */
export const OPS_SHM = 4;
/** vdso, vvar: special mappings. */
export const OPS_SPECIAL = 5;
/** Memory of memfd_secret. */
export const OPS_SECRET = 6;
/** Part of an image that a log did not show: its faults cannot be predicted. */
export const OPS_UNKNOWN = 7;
