/** Which modelled kernel a host's release is to be compared with. */

import { KERNELS } from '../mm/release.ts';
import type { Release } from '../mm/release_types.ts';

export interface HostRelease {
  readonly release: Release;
  /** False: no modelled kernel is of this release; the next older one stands in for it. */
  readonly exact: boolean;
}

function numbersOf(text: string): readonly [number, number] | undefined {
  const found = /^(\d+)\.(\d+)(?=\D|$)/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2])];
}

/** `uname -r` as a modelled kernel: "6.18.44-fc" is 6.18. Undefined for kernels before all of them. */
export function hostRelease(uname: string): HostRelease | undefined {
  const host = numbersOf(uname);
  if (host === undefined) return undefined;
  let best: Release | undefined;
  let exact = false;
  for (const release of KERNELS) {
    const own = numbersOf(release.name);
    if (own === undefined || release.name !== `${own[0]}.${own[1]}`) continue;
    if (own[0] > host[0] || (own[0] === host[0] && own[1] > host[1])) continue;
    best = release;
    exact = own[0] === host[0] && own[1] === host[1];
  }
  return best === undefined ? undefined : { release: best, exact };
}
