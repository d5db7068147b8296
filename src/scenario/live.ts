/** The page tables of a live process as plain data: what can be seen of it from outside. */

/** The pages of one mapping that are present, struct of arrays, by ascending address. */
export interface LivePages {
  readonly vpn: Float64Array;
  /** Page frame numbers. */
  readonly pfn: Float64Array;
  /** First frame of the page's folio, and its number of pages (1 = not large). */
  readonly head: Float64Array;
  readonly pages: Uint16Array;
  /** LIVE_* */
  readonly bits: Uint8Array;
}

export const LIVE_ANON = 1;
/** The zero page, small or huge: nothing of the process's own. */
export const LIVE_ZERO = 2;

export interface LiveMapping {
  readonly startVpn: number;
  readonly endVpn: number;
  readonly perms: string;
  readonly name: string;
  /** Mapped by PMD, in pages (smaps AnonHugePages, ShmemPmdMapped, FilePmdMapped). */
  readonly pmdPages: number;
  readonly pages: LivePages;
}
