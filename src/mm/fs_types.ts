/**
 * Words of the columns `inode.kind`, `inode.flags`, `file.mode` and `file.flags`: which file system
 * serves an object, and what an open description may do with it.
 */

/** tmpfs: mounts, and the kernel's internal mount (memfd, shared anonymous memory, SysV). */
export const FS_SHMEM = 1;
/** A disk file system with large folios, fault-around and page_mkwrite (ext4). */
export const FS_DISK = 2;
/** memfd_secret. */
export const FS_SECRET = 3;
/** /dev/zero: MAP_SHARED makes a shared anonymous object, MAP_PRIVATE an anonymous VMA. */
export const FS_ZERO = 4;
/** hugetlbfs; its pool is empty, so that no page of it is ever had. */
export const FS_HUGETLB = 5;
/** No mmap operation: directory, pipe, socket, eventfd, /dev/null, most of /proc and /sys. */
export const FS_NO_MMAP = 6;
/** A device or file whose mmap is not modelled: mapped as OPS_UNKNOWN. */
export const FS_OPAQUE = 7;

/** The size is not known (a log did not tell it): no SIGBUS is predicted. */
export const INODE_SIZE_UNKNOWN = 1 << 0;
/** Object of MAP_SHARED | MAP_ANONYMOUS or of a shared /dev/zero. */
export const INODE_SHARED_ANON = 1 << 1;
export const INODE_MEMFD = 1 << 2;
/** SysV shared memory: mapped through vm_ops with open and close (OPS_SHM). */
export const INODE_SYSV = 1 << 3;
/** VM_NORESERVE: pages are charged one by one as they are allocated. */
export const INODE_NORESERVE = 1 << 4;
export const INODE_DIRECTORY = 1 << 5;
/** SHM_LOCK, memfd_secret: its pages are unevictable (AS_UNEVICTABLE). */
export const INODE_UNEVICTABLE = 1 << 6;
/** A SysV segment under IPC_RMID: it goes with its last attachment (SHM_DEST). */
export const INODE_SHM_DEST = 1 << 7;
/** Cut to nothing: its new blocks are written when a descriptor is closed (EXT4_STATE_DA_ALLOC_CLOSE). */
export const INODE_DA_ALLOC_CLOSE = 1 << 8;
/** tmpfs, made while its mount allowed large folios: write(2) goes in pieces of up to 2 MiB, else of a page. */
export const INODE_LARGE_FOLIOS = 1 << 9;

/** include/linux/fs.h FMODE_*. */
export const FMODE_READ = 1 << 0;
export const FMODE_WRITE = 1 << 1;
export const FMODE_LSEEK = 1 << 2;
export const FMODE_PREAD = 1 << 3;
export const FMODE_PWRITE = 1 << 4;
export const FMODE_PATH = 1 << 14;

/** x86-64 open(2) flags. */
export const O_ACCMODE = 3;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const O_ASYNC = 0o20000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** __O_TMPFILE | O_DIRECTORY. */
export const O_TMPFILE = 0o20200000;

/** F_SEAL_* (`inode.seals`). */
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const F_SEAL_WRITE = 0x8;
export const F_SEAL_FUTURE_WRITE = 0x10;
export const F_SEAL_EXEC = 0x20;

/** Bits of `task.caps`: the capabilities that memory management asks for. */
export const CAP_IPC_LOCK = 1 << 0;
export const CAP_SYS_RAWIO = 1 << 1;
export const CAP_SYS_ADMIN = 1 << 2;
export const CAP_SYS_RESOURCE = 1 << 3;
export const CAP_SYS_PTRACE = 1 << 4;
export const CAP_SYS_NICE = 1 << 5;
export const CAP_DAC_OVERRIDE = 1 << 6;
export const CAP_SETUID = 1 << 7;
export const CAP_IPC_OWNER = 1 << 8;
export const CAP_FOWNER = 1 << 9;
export const CAP_ALL = 0x3ff;
