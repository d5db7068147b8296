/** Kinds of access by the processor, and what an access came to. */
/** Kinds of access. */
export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
export const ACCESS_EXEC = 2;

/** What an access came to: 0, or one of these. */
export const ACCESS_OK = 0;
export const ACCESS_SEGV_MAPERR = 1;
export const ACCESS_SEGV_ACCERR = 2;
export const ACCESS_BUS_ADRERR = 3;
/** No memory: the kernel would call the OOM killer. */
export const ACCESS_OOM = 5;
/** Waits for a userfaultfd handler. */
export const ACCESS_UFFD_WAIT = 6;
/** The same fault came again FAULTS_MAX times and nothing changed: it never ends. */
export const ACCESS_STUCK = 7;
