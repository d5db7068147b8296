/** Response frames of the executor (records, see executor/inspector.h) as plain data. */
import { assert, type U64, word } from '../base/index.ts';
import { parseFields, parseMaps, parsePairs } from '../scenario/proc_text.ts';
import type {
  PagesObservation,
  SignalInfo,
  StepOutcome,
  VmaObservation,
} from '../scenario/transcript.ts';

const REC = {
  begin: 1,
  step: 2,
  output: 3,
  task: 4,
  stats: 5,
  settings: 6,
  note: 7,
  end: 8,
  ready: 9,
  config: 10,
} as const;

const STEP_VALUE = 1;
const STEP_ERRNO = 2;
const STEP_SIGNAL = 4;
const STEP_BLOCKED = 8;
const STEP_LOST = 16;
const STEP_FAULTS = 32;

const TASK_SAME_PAGES = 1;
const TASK_SAME_TEXT = 2;
const TASK_FULL = 4;
const TASK_LIKE = 8;
const TASK_CUT = 16;

/** Index under which the executor reports what it sees before the first step. */
export const BEFORE_FIRST = 0xffffffff;

export interface WireOutcome {
  readonly outcome: StepOutcome;
  /** The call had not returned when the next step began. */
  readonly blocked: boolean;
  readonly lost: boolean;
}

export interface ExecutorNote {
  readonly step: number;
  readonly code: number;
  readonly errno: number;
  readonly text: string;
}

/** What a whole frame says, by wire step. */
export interface Decoded {
  readonly outcomes: (WireOutcome | undefined)[];
  readonly outputs: Map<number, string>;
  readonly observations: Map<number, Map<number, TaskView>>;
  readonly stats: Map<number, string>;
  settingsBefore: string;
  settingsAfter: string;
  readonly notes: ExecutorNote[];
  ready: string;
  /** The bytes of /proc/config.gz. */
  config: Uint8Array | undefined;
  /** Wire steps that were executed. */
  done: number;
}

/** One task as seen after one step; the texts are parsed once and shared while they are equal. */
export interface TaskView {
  readonly pages: PagesObservation;
  readonly text: TextView;
  /** Pages of the executor's own image that are present: anonymous, of its file. */
  readonly own: readonly [number, number];
  readonly full: boolean;
  readonly cut: boolean;
}

interface TextView {
  readonly vmas: readonly VmaObservation[];
  readonly status: ReadonlyMap<string, number>;
}

const SIGNALS: Readonly<Record<number, string>> = {
  4: 'SIGILL',
  5: 'SIGTRAP',
  7: 'SIGBUS',
  8: 'SIGFPE',
  11: 'SIGSEGV',
};
const CODES: Readonly<Record<string, readonly string[]>> = {
  SIGSEGV: [
    '',
    'MAPERR',
    'ACCERR',
    'BNDERR',
    'PKUERR',
    'ACCADI',
    'ADIDERR',
    'ADIPERR',
    '',
    '',
    'CPERR',
  ],
  SIGBUS: ['', 'ADRALN', 'ADRERR', 'OBJERR', 'AR', 'AO'],
};

function signalInfo(signo: number, code: number, address: U64): SignalInfo {
  const name = SIGNALS[signo] ?? `signal ${signo}`;
  const known = CODES[name]?.[code];
  return { name, code: known || (code === 128 ? 'KERNEL' : String(code)), address };
}

const EMPTY_PAGES: PagesObservation = {
  vpn: [],
  bits: [],
  folio: [],
  index: [],
  order: [],
  mapcount: [],
};
const EMPTY_TEXT: TextView = { vmas: [], status: new Map() };
const latin1 = new TextDecoder('latin1');

class Frame {
  readonly #words: Uint32Array;
  at = 0;

  constructor(words: Uint32Array) {
    this.#words = words;
  }

  get ended(): boolean {
    return this.at >= this.#words.length;
  }

  take(): number {
    assert(this.at < this.#words.length, 'a record of the executor is cut');
    return this.#words[this.at++]!;
  }

  take64(): U64 {
    const lo = this.take();
    return word.u64(this.take(), lo);
  }

  /** `count` words, without a copy. */
  words(count: number): Uint32Array {
    assert(this.at + count <= this.#words.length, 'a record of the executor is cut');
    this.at += count;
    return this.#words.subarray(this.at - count, this.at);
  }

  bytes(size: number): Uint8Array {
    const words = this.words(Math.ceil(size / 4));
    return new Uint8Array(words.buffer, words.byteOffset, size);
  }

  text(): string {
    return latin1.decode(this.bytes(this.take()));
  }
}

function readStep(frame: Frame): WireOutcome {
  const flags = frame.take();
  const value = frame.take64();
  const errno = frame.take();
  const signo = frame.take();
  const code = frame.take();
  const address = frame.take64();
  const minflt = frame.take();
  const majflt = frame.take();
  const firstVpn = word.pageOf(frame.take64());
  const pages = frame.take();
  const bits = frame.bytes(frame.take());
  const faults = flags & STEP_FAULTS ? { faultedVpns: faultedPages(bits, pages, firstVpn) } : {};
  const blocked = (flags & STEP_BLOCKED) !== 0;
  const lost = (flags & STEP_LOST) !== 0;
  const base = { minflt, majflt, ...faults };
  if (flags & STEP_SIGNAL) {
    const signal = signalInfo(signo, code, address);
    return { outcome: { ...base, signal }, blocked, lost };
  }
  if (flags & STEP_ERRNO) return { outcome: { ...base, errno }, blocked, lost };
  if (flags & STEP_VALUE) return { outcome: { ...base, value }, blocked, lost };
  return { outcome: base, blocked, lost };
}

/** The pages of an access that took a fault: one bit for each page of its range. */
function faultedPages(bits: Uint8Array, pages: number, firstVpn: number): number[] {
  const found: number[] = [];
  const end = Math.min(pages, bits.length * 8);
  for (let i = 0; i < end; i++) if ((bits[i >> 3]! >> (i & 7)) & 1) found.push(firstVpn + i);
  return found;
}

/** The columns as they came; taken apart when somebody asks for one, which few do. */
class WirePages implements PagesObservation {
  readonly columns: Uint32Array;
  readonly #made = new Map<string, number[]>();

  constructor(columns: Uint32Array) {
    this.columns = columns;
  }

  #column(name: string, n: number, value: (word: number, row: number) => number): number[] {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const rows = this.columns.length / PAGE_COLUMNS;
    const made = Array.from(this.columns.subarray(n * rows, (n + 1) * rows), value);
    this.#made.set(name, made);
    return made;
  }

  get vpn(): number[] {
    const rows = this.columns.length / PAGE_COLUMNS;
    return this.#column('vpn', 0, (low, i) => low + this.columns[rows + i]! * 4294967296);
  }

  get bits(): number[] {
    return this.#column('bits', 2, (word) => word);
  }

  get folio(): number[] {
    return this.#column('folio', 3, (word) => word);
  }

  get index(): number[] {
    return this.#column('index', 4, (place) => place & 0xffffff);
  }

  get order(): number[] {
    return this.#column('order', 4, (place) => place >>> 24);
  }

  get mapcount(): number[] {
    return this.#column('mapcount', 5, (word) => word);
  }
}

const PAGE_COLUMNS = 6;

function readPages(frame: Frame): PagesObservation {
  return new WirePages(frame.words(frame.take() * PAGE_COLUMNS));
}

/** Mappings by their line in maps: most are the same step after step, and program after program. */
const knownLines = new Map<string, VmaObservation | undefined>();
const KNOWN_LINES_MAX = 8192;

function vmaOfLine(line: string): VmaObservation | undefined {
  if (knownLines.has(line)) return knownLines.get(line);
  if (knownLines.size === KNOWN_LINES_MAX) knownLines.clear();
  const [vma] = parseMaps(line);
  knownLines.set(line, vma);
  return vma;
}

function vmasOf(maps: string): VmaObservation[] {
  const found: VmaObservation[] = [];
  for (let at = 0, end = maps.indexOf('\n'); end >= 0; at = end + 1, end = maps.indexOf('\n', at)) {
    const vma = vmaOfLine(maps.slice(at, end));
    if (vma !== undefined) found.push(vma);
  }
  return found;
}

function readText(frame: Frame, full: boolean): TextView {
  const text = frame.text();
  const end = full ? text.search(/^Name:\t/m) : -1;
  if (end < 0) return { vmas: vmasOf(text), status: NO_FIELDS };
  return { vmas: parseMaps(text.slice(0, end)), status: parseFields(text.slice(end)) };
}

const NO_FIELDS: ReadonlyMap<string, number> = new Map();

/** Keeps what was last seen of each task: the executor sends only what has changed. */
class TaskViews {
  readonly #last = new Map<number, TaskView>();

  read(frame: Frame, step: Map<number, TaskView>): void {
    const task = frame.take();
    const flags = frame.take();
    if (flags & TASK_LIKE) {
      const other = step.get(frame.take());
      if (other !== undefined) step.set(task, other);
      return;
    }
    const full = (flags & TASK_FULL) !== 0;
    const own = full ? ([frame.take(), frame.take()] as const) : ([0, 0] as const);
    const last = this.#last.get(task);
    const pages = flags & TASK_SAME_PAGES ? (last?.pages ?? EMPTY_PAGES) : readPages(frame);
    const text = flags & TASK_SAME_TEXT ? (last?.text ?? EMPTY_TEXT) : readText(frame, full);
    const cut = (flags & TASK_CUT) !== 0;
    const isSame = (flags & TASK_SAME_PAGES) !== 0 && (flags & TASK_SAME_TEXT) !== 0;
    if (last !== undefined && isSame && !full && last.full === full && last.cut === cut) {
      step.set(task, last);
      return;
    }
    const view = { pages, text, own, full, cut };
    this.#last.set(task, view);
    step.set(task, view);
  }
}

/** Reads the records of one frame (its words, without the leading length). */
export function decodeFrame(words: Uint32Array): Decoded {
  const frame = new Frame(words);
  const views = new TaskViews();
  const found: Decoded = {
    outcomes: [],
    outputs: new Map(),
    observations: new Map(),
    stats: new Map(),
    settingsBefore: '',
    settingsAfter: '',
    notes: [],
    ready: '',
    config: undefined,
    done: 0,
  };
  while (!frame.ended) {
    const type = frame.take();
    const end = frame.at + 1 + Math.ceil(frame.take() / 4);
    if (type === REC.step) {
      const step = frame.take();
      // A blocked step is reported again when it ends.
      const blocked = found.outcomes[step]?.blocked ?? false;
      const read = readStep(frame);
      found.outcomes[step] = blocked ? { ...read, blocked } : read;
    } else if (type === REC.output) {
      found.outputs.set(frame.take(), frame.text());
    } else if (type === REC.task) {
      const step = frame.take();
      const tasks = found.observations.get(step) ?? new Map<number, TaskView>();
      found.observations.set(step, tasks);
      views.read(frame, tasks);
    } else if (type === REC.stats) {
      found.stats.set(frame.take(), frame.text());
    } else if (type === REC.settings) {
      const after = frame.take() === 1;
      if (after) found.settingsAfter = frame.text();
      else found.settingsBefore = frame.text();
    } else if (type === REC.note) {
      const [step, code, errno] = [frame.take(), frame.take(), frame.take()];
      found.notes.push({ step, code, errno, text: frame.text() });
    } else if (type === REC.end) {
      found.done = frame.take();
    } else if (type === REC.ready) {
      found.ready = frame.text();
    } else if (type === REC.config) {
      found.config = frame.bytes(frame.take()).slice();
    }
    frame.at = end;
  }
  return found;
}

export function settingsOf(text: string): Map<string, string> {
  return parsePairs(text);
}
