/** What a program under construction knows: its tasks, mappings, descriptors, and its window. */
import type { Random } from '../base/index.ts';

const WINDOW = 0x40000000;
const WINDOW_PAGES = 2048;

export type FileKind = 'memfd' | 'tmpfs' | 'disk';

export interface Area {
  /** First page, counted from the window's start, or from `base`. */
  readonly start: number;
  /** Name of an address that the kernel chose; '' in the window. */
  readonly base: string;
  readonly pages: number;
  readonly kind: 'anon' | 'shared' | 'shm' | FileKind;
  readonly fd: string;
  /** Who made it. */
  readonly task: string;
}

export interface GenFile {
  readonly name: string;
  readonly kind: FileKind;
  readonly pages: number;
  /** Its name, where it has one. */
  readonly path?: string;
}

export interface Range {
  readonly area: Area | undefined;
  readonly at: string;
  readonly pages: number;
}

/** A step, or a few that belong together. */
export type Family = (s: GenState) => void;

/** A size that no machine has. */
export const VAST = '64G';

export class GenState {
  readonly lines: string[] = [];
  readonly areas: Area[] = [];
  readonly tasks = ['t0'];
  readonly fds: GenFile[] = [];
  readonly random: Random;
  /** Names of what is made at most once or twice: a userfaultfd, a mount, segments, limits. */
  readonly made = new Map<string, string[]>();
  /** The families that this program's rare steps come from (generate_rare.ts). */
  readonly own: Family[] = [];
  /** Ranges that were registered with a userfaultfd: its calls mean these, mostly. */
  readonly watched: Range[] = [];
  #names = 0;
  /** Tasks ever made: a name is used once. */
  #born = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** Locked memory of VAST bytes would be filled, which takes a kernel longer than a step may last. */
  isLocked(): boolean {
    return this.lines.some((line) => line.includes('mlock'));
  }

  isVast(): boolean {
    return this.lines.some((line) => line.includes(`, ${VAST}, MREMAP`));
  }

  put(text: string): void {
    this.lines.push(text);
  }

  name(letter: string): string {
    return `${letter}${this.#names++}`;
  }

  newTask(): string {
    return `t${++this.#born}`;
  }

  task(): string {
    return this.random.pick(this.tasks);
  }

  /** Often whoever made the area: a mapping that only one task has is in reach of that one. */
  taskOf(area: Area | undefined): string {
    const made = area !== undefined && this.tasks.includes(area.task) && this.random.chance(50);
    return made ? area.task : this.task();
  }

  pages(): number {
    const r = this.random;
    const kind = r.below(10);
    if (kind < 3) return 1 + r.below(8);
    if (kind < 6) return r.pick([4, 16, 32, 64, 128]);
    if (kind < 8) return 1 + r.below(200);
    return r.pick([256, 512, 513, 511, 1024]);
  }

  /** A page in the window: often aligned to a folio size, or just off it. */
  place(pages: number): number {
    const r = this.random;
    const room = WINDOW_PAGES - pages;
    const raw = r.below(Math.max(1, room));
    const align = r.pick([1, 1, 4, 16, 64, 512]);
    const aligned = raw - (raw % align);
    return Math.min(room, Math.max(0, aligned + (r.chance(25) ? 1 : 0)));
  }

  address(page: number): string {
    return `0x${(WINDOW + page * 4096).toString(16)}`;
  }

  at(area: Area, offset: number): string {
    const page = area.start + offset;
    if (area.base === '') return this.address(page);
    return page === 0 ? area.base : `${area.base}+${this.bytes(page)}`;
  }

  bytes(pages: number): string {
    return `${pages * 4}K`;
  }

  /** A range: usually inside a known area, sometimes past its end, sometimes anywhere. */
  range(): Range {
    const r = this.random;
    const area = this.areas.length > 0 && r.chance(92) ? r.pick(this.areas) : undefined;
    if (area === undefined) {
      return { area, at: this.address(this.place(4)), pages: 1 + r.below(16) };
    }
    if (r.chance(30)) return { area, at: this.at(area, 0), pages: area.pages };
    const offset = r.below(area.pages);
    const rest = area.pages - offset;
    const pages = r.chance(40) ? 1 : 1 + r.below(Math.min(rest, r.pick([4, 16, 64, 512])));
    return { area, at: this.at(area, offset), pages: pages + (r.chance(4) ? 2 : 0) };
  }
}
