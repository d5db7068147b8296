/**
 * The output of `valgrind --tool=lackey --trace-mem=yes CMD`: every access of the program.
 *
 *     I  0401ab70,3      an instruction of 3 bytes
 *      L 1fff000688,8    a load      S …  a store      M …  a load and a store of the same bytes
 *
 * What is in the log and what is invented:
 *
 *     the log            1000 1001 1002 …   5000 5001          addresses only, no calls, no names
 *     MMAP, invented     |-- anonymous --|  |-- anonymous --|  one for each run of touched pages,
 *                                                              private, before the first touch
 *     TOUCH              first read, first write, first execution of each page, in the log's order
 *     time, invented     the number of the access, as if each took 1 ns
 *
 * A page that the program unmaps and touches again is touched once here: lackey does not tell. The
 * runs end where 16 pages or more are untouched, and grow to whole pages only. The trace's size is
 * that of the program's memory, not of the log.
 */
import {
  FAULT_NONE,
  OP_EXEC,
  OP_EXIT,
  OP_MMAP,
  TOUCH_EXEC,
  TOUCH_READ,
  TOUCH_WRITE,
  TraceBuilder,
} from '../trace/index.ts';
import type { Importer, ImportFacts, ImportReport } from './importer.ts';
import { type PageAddress, readHexAddress } from './perf_line.ts';

const GAP_PAGES = 16;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE_ANONYMOUS_FIXED = 0x32;

export class LackeyImporter implements Importer {
  readonly kind = 'Valgrind lackey';
  readonly builder = new TraceBuilder();
  readonly #report: ImportReport;
  /** What is known to be touched: page → TOUCH bits. */
  readonly #seen = new Map<number, number>();
  /** First touches, four numbers each: time, page, byte and access. */
  readonly #touches: number[] = [];
  readonly #address: PageAddress = { vpn: 0, offset: 0 };
  #time = 0;
  #pid = 1;
  #command: readonly string[] = [];
  /** The page and the bits of the access before: most accesses need no look at the map. */
  #lastVpn = -1;
  #lastBits = 0;

  constructor(report: ImportReport) {
    this.#report = report;
  }

  line(text: string, number: number): void {
    const letter = text.charCodeAt(1);
    const first = text.charCodeAt(0);
    if (first === 73 && letter === 32) {
      this.#access(text, 3, TOUCH_EXEC, number);
    } else if (first === 32) {
      if (letter === 76) this.#access(text, 3, TOUCH_READ, number);
      else if (letter === 83) this.#access(text, 3, TOUCH_WRITE, number);
      else if (letter === 77) this.#access(text, 3, TOUCH_READ | TOUCH_WRITE, number);
      else this.#bad(text, number);
    } else if (text.startsWith('==')) {
      this.#message(text);
    } else if (text !== '') {
      this.#bad(text, number);
    }
  }

  #bad(text: string, number: number): void {
    this.#report.bad(number, text, '`I  ADDRESS,SIZE`, or L, S or M in place of I');
  }

  #message(text: string): void {
    const command = /^==(\d+)== Command: (.*)$/.exec(text);
    if (command === null) return;
    this.#pid = Number(command[1]);
    this.#command = command[2]!.split(' ');
  }

  #access(text: string, at: number, bits: number, number: number): void {
    const address = this.#address;
    const comma = readHexAddress(text, at, address);
    const size = comma < 0 || text.charCodeAt(comma) !== 44 ? 0 : Number(text.slice(comma + 1));
    if (!(size > 0 && size <= 1048576) || !Number.isInteger(size)) {
      this.#bad(text, number);
      return;
    }
    this.#time++;
    const { vpn, offset } = address;
    if (vpn === this.#lastVpn && (this.#lastBits & bits) === bits && offset + size <= 4096) return;
    const last = vpn + Math.floor((offset + size - 1) / 4096);
    for (let page = vpn; page <= last; page++) {
      const known = this.#seen.get(page) ?? 0;
      this.#lastVpn = page;
      this.#lastBits = known | bits;
      if ((known & bits) === bits) continue;
      this.#seen.set(page, known | bits);
      this.#touches.push(this.#time, page, page === vpn ? offset : 0, bits & ~known);
    }
  }

  finish(): ImportFacts {
    const { builder } = this;
    const pid = this.#pid;
    if (this.#seen.size > 0) {
      const row = builder.add(0, pid, pid, OP_EXEC);
      builder.events.name[row] = builder.name(this.#command[0] ?? '');
      this.#mappings();
      const touches = this.#touches;
      for (let i = 0; i < touches.length; i += 4) {
        const [time, vpn, offset, access] = touches.slice(i, i + 4) as [
          number,
          number,
          number,
          number,
        ];
        builder.touch(time, pid, pid, vpn, offset, access, FAULT_NONE);
      }
      const exit = builder.add(this.#time, pid, pid, OP_EXIT);
      builder.events.arg[exit] = -1;
    }
    return {
      mode: 'import-lackey',
      lost: 0,
      command: this.#command,
      files: [],
      notes: [
        {
          code: 'mappings-invented',
          text: 'It does not tell mappings: each run of touched pages counts as private anonymous memory, also where it is a file or the stack.',
        },
        {
          code: 'no-unmaps',
          text: 'It does not tell when memory is given back: resident memory only grows.',
        },
        { code: 'time-invented', text: 'Its time is the count of accesses.' },
      ],
    };
  }

  #mappings(): void {
    const pages = Float64Array.from(this.#seen.keys()).sort();
    let from = 0;
    let bits = 0;
    for (let i = 0; i < pages.length; i++) {
      bits |= this.#seen.get(pages[i]!) ?? 0;
      if (i + 1 < pages.length && pages[i + 1]! - pages[i]! < GAP_PAGES) continue;
      this.#mapping(pages[from]!, pages[i]! + 1, bits);
      from = i + 1;
      bits = 0;
    }
  }

  #mapping(start: number, end: number, bits: number): void {
    const { builder } = this;
    const row = builder.add(0, this.#pid, this.#pid, OP_MMAP, start, 0, (end - start) * 4096);
    const prot =
      PROT_READ |
      ((bits & TOUCH_WRITE) !== 0 ? PROT_WRITE : 0) |
      ((bits & TOUCH_EXEC) !== 0 ? PROT_EXEC : 0);
    builder.detail(row, prot, MAP_PRIVATE_ANONYMOUS_FIXED, 0, 0, start);
  }
}
