/** What the text of one C file has used so far: constants, tasks, room in memory, files. */
import { type U64, word } from '../base/index.ts';
import { addressText, BRK_PAGES, type CScope, MODEL_BRK_VPN, sizeText } from './c_expr.ts';
import { cName } from './c_names.ts';

/** Names reach this far behind their value: `a + 16 * K`. */
const REACH_PAGES = 1 << 18;

export class Scope implements CScope {
  readonly constants = new Map<string, U64>();
  readonly tasks = new Map<string, number>();
  readonly values = new Set<string>();
  bytes = 4096;
  usesBrk = false;
  usesFiles = false;
  usesDisk = false;
  /** Page numbers that names stand for at this step. */
  bound: ReadonlyMap<string, number> = new Map();

  isTask(name: string): boolean {
    return this.tasks.has(name) && !this.values.has(name);
  }

  useConstant(name: string, value: U64): void {
    this.constants.set(name, value);
  }

  needBytes(count: number): void {
    this.bytes = Math.max(this.bytes, Math.ceil((count + 1024) / 4096) * 4096);
  }

  /** A page's address by the nearest name below it, else as a number. */
  address(vpn: number): string {
    let best = '';
    let distance = REACH_PAGES;
    for (const [name, at] of this.bound) {
      if (this.isTask(name) || !this.values.has(name)) continue;
      if (at > 0 && vpn >= at && vpn - at < distance) {
        best = name;
        distance = vpn - at;
      }
    }
    if (best === '') {
      if (vpn >= MODEL_BRK_VPN && vpn < MODEL_BRK_VPN + BRK_PAGES) this.usesBrk = true;
      return addressText(word.fromPage(vpn));
    }
    const name = cName(best);
    return distance === 0 ? name : `${name} + ${sizeText(word.fromNumber(distance * 4096))}`;
  }
}
