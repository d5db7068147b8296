/**
 * The loop of `faultline fuzz`: blocks of programs that share their settings, several at a time; of
 * each block those that are observed in full come last, one at a time, because statistics count for
 * the whole machine. Behind the block, what was found is run again and made small.
 */
import type { Diagnostic } from '../base/index.ts';
import type { HostKernel, HostTranscript } from '../host/index.ts';
import {
  BLOCK_PROGRAMS,
  blockSettings,
  type Divergence,
  divergenceKind,
  findingText,
  type HostRelease,
  isFull,
  mayBeOthers,
  type PlanAbilities,
  programText,
  shrinkLines,
  type VerifyResult,
  verifyProgram,
} from '../lab/index.ts';
import { type Parsed, parseProgram } from '../scenario/index.ts';
import { AGREES, DIVERGES_AGAIN, type FuzzState, type StateDirectory } from './fuzz_state.ts';
import { type HostSession, isSession, openSession, type SessionOptions } from './host_session.ts';

type Program = Parsed['program'];

const FAULT_AROUND = '/sys/kernel/debug/fault_around_bytes';
/** Findings of one kind beyond these are kept as they are. */
const SHRUNK_PER_KIND = 2;
/** How often a program that diverged is asked again, alone, before it is believed. */
const ASKED_AGAIN = 3;
/** Programs that wait in an executor's pipe beside the one that runs. */
const IN_FLIGHT_PER_JOB = 3;

interface Ran {
  readonly program: Program;
  readonly transcript: HostTranscript;
  readonly result?: VerifyResult;
  readonly refused?: string;
}

interface How {
  /** In a process that has played other programs; else each has one of its own. */
  readonly reuse?: boolean;
  /** With a new executor when this one is gone. */
  readonly again?: boolean;
}

interface Found {
  readonly index: number;
  readonly text: string;
  /** The program with the answers of the first time. */
  readonly scenario: string;
  readonly divergence: Divergence;
}

export interface FuzzHooks {
  progress(state: FuzzState): void;
  isOver(state: FuzzState): boolean;
}

export class FuzzRun {
  readonly state: FuzzState;
  readonly #directory: StateDirectory;
  readonly #asked: SessionOptions;
  readonly #hooks: FuzzHooks;
  #host: HostKernel;
  readonly #modelled: HostRelease;
  readonly #can: PlanAbilities;
  #found: Found[] = [];
  #reopening: Promise<boolean> | undefined;
  #machine: VerifyResult['machine'] | undefined;
  #since = performance.now();
  /** Why the run ended before its time. */
  failure: Diagnostic | undefined;

  constructor(
    session: HostSession,
    state: FuzzState,
    directory: StateDirectory,
    asked: SessionOptions,
    hooks: FuzzHooks,
  ) {
    this.#host = session.host;
    this.#modelled = session.modelled;
    this.#can = { faultAround: session.host.info().settings.has(FAULT_AROUND) };
    this.state = state;
    this.#directory = directory;
    this.#asked = asked;
    this.#hooks = hooks;
  }

  /** The program of this number, as this kernel is asked it. */
  textOf(index: number): string {
    return programText(this.state.seed, index, this.state.steps, this.#can);
  }

  async run(): Promise<void> {
    this.#since = performance.now();
    try {
      while (this.failure === undefined && !this.#hooks.isOver(this.state)) {
        await this.#block();
        this.#save();
        await this.#settle();
      }
    } finally {
      // Settings are put back and the executor ends, also when the disk is full.
      try {
        this.#save();
      } finally {
        await this.#host.close();
      }
    }
  }

  #save(): void {
    const now = performance.now();
    this.state.seconds += (now - this.#since) / 1000;
    this.#since = now;
    this.#directory.save(this.state);
  }

  /** The rest of the block that the next program belongs to. */
  async #block(): Promise<void> {
    const { state } = this;
    const first = state.next;
    const end = first - (first % BLOCK_PROGRAMS) + BLOCK_PROGRAMS;
    const settings = blockSettings(state.seed, first, this.#can);
    await this.#hold(`${settings.join('\n')}\n`);
    const alone: number[] = [];
    const work = async (): Promise<void> => {
      while (state.next < end && this.failure === undefined && !this.#hooks.isOver(state)) {
        const index = state.next++;
        if (isFull(index)) alone.push(index);
        else await this.#one(index);
        this.#hooks.progress(state);
      }
    };
    await Promise.all(Array.from({ length: this.#asked.jobs * IN_FLIGHT_PER_JOB }, work));
    let next = 0;
    const full = async (): Promise<void> => {
      while (next < alone.length && this.failure === undefined) {
        await this.#one(alone[next++]!);
        this.#hooks.progress(state);
      }
    };
    // One is in the kernel (HostKernel), another is compared.
    await Promise.all([full(), full()]);
  }

  /** An empty text takes the settings back. */
  async #hold(text: string): Promise<void> {
    const { program } = parseProgram(text.trim() === '' ? 'p: getpid()\n' : text, 'settings.fl');
    if (program !== undefined) await this.#host.execute(program, { observe: 'none', hold: true });
  }

  async #one(index: number): Promise<void> {
    const { state } = this;
    const text = this.textOf(index);
    const full = isFull(index);
    // Status says of a process that was kept what its highest sizes ever were.
    let ran = await this.#ask(text, full, { reuse: !full });
    // What another process has added to statistics is not there a second time.
    if (mayBeOthers(ran?.result?.divergence)) ran = await this.#ask(text, full);
    if (ran === undefined) return;
    state.programs++;
    if (ran.refused !== undefined) {
      state.refused[ran.refused] = (state.refused[ran.refused] ?? 0) + 1;
      return;
    }
    const { result } = ran;
    if (result === undefined) return;
    state.values += result.compared;
    if (result.unmodelled !== undefined) {
      state.unmodelled[result.unmodelled] = (state.unmodelled[result.unmodelled] ?? 0) + 1;
    }
    if (result.cannot !== undefined) {
      state.refused[result.cannot] = (state.refused[result.cannot] ?? 0) + 1;
    }
    if (result.divergence !== undefined) this.#keep(index, text, ran, result.divergence);
  }

  /** Asks both kernels. When the executor is gone, once more with a new one. */
  async #ask(text: string, full: boolean, how: How = {}): Promise<Ran | undefined> {
    const { reuse = false, again = true } = how;
    const { program, diagnostics } = parseProgram(text, 'fuzz.fl');
    const bad = diagnostics.find((d) => d.severity === 'error');
    const host = this.#host;
    const what = full
      ? ({ observe: 'full', stats: true } as const)
      : ({ observe: 'pages' } as const);
    const transcript = await host.execute(program, { ...what, reuse });
    if (bad !== undefined) return { program, transcript, refused: bad.message };
    const error = transcript.notes.find(
      (note) => note.severity === 'error' && note.code !== 'HOST007',
    );
    if (error?.code === 'HOST015' && again) {
      if (!(await this.#reopen(host))) return undefined;
      return await this.#ask(text, full, { reuse, again: false });
    }
    if (error !== undefined)
      return { program, transcript, refused: `${error.code} ${error.message}` };
    const result = this.#verify(program, transcript);
    // A step that does not end may be the model's prediction.
    const late = transcript.notes.find((note) => note.code === 'HOST007');
    if (late !== undefined && result.endless === undefined && result.divergence === undefined) {
      return { program, transcript, refused: `${late.code} ${late.message}` };
    }
    return { program, transcript, result };
  }

  #verify(program: Program, transcript: HostTranscript): VerifyResult {
    const reuse = this.#machine === undefined ? {} : { reuse: this.#machine };
    this.#machine = undefined;
    const result = verifyProgram(program, transcript, {
      release: this.#modelled.release,
      memory: transcript.memoryBytes,
      ...reuse,
    });
    this.#machine = result.machine;
    return result;
  }

  /** Several programs may have waited for the executor that is gone: one of them opens the next. */
  #reopen(old: HostKernel): Promise<boolean> {
    if (this.#host !== old) return Promise.resolve(true);
    this.#reopening ??= this.#open(old).finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #open(old: HostKernel): Promise<boolean> {
    await old.close();
    const session = await openSession(this.#asked);
    if (isSession(session)) this.#host = session.host;
    else this.failure = session;
    return isSession(session);
  }

  /** Written at once, so that nothing is lost; made small later. */
  #keep(index: number, text: string, ran: Ran, divergence: Divergence): void {
    const { state } = this;
    const lines = text.trimEnd().split('\n');
    const scenario = findingText(
      ran.program,
      lines,
      ran.transcript,
      divergence,
      this.#origin(index),
    );
    const file = this.#directory.saveFinding(state.seed, index, scenario);
    const kind = divergenceKind(divergence);
    state.findings.push({ program: index, kind, divergence, file, shrunk: false });
    this.#found.push({ index, text, scenario, divergence });
  }

  #origin(program: number) {
    const { where, release } = this.#host.info();
    return { seed: this.state.seed, program, kernel: `${where} ${release}` };
  }

  /** What the block has found is run again alone, and made small. */
  async #settle(): Promise<void> {
    const found = this.#found;
    this.#found = [];
    if (found.length === 0) return;
    await this.#hold('');
    for (const finding of found) {
      if (this.failure !== undefined) return;
      await this.#settleOne(finding);
      this.#save();
      this.#hooks.progress(this.state);
    }
  }

  /** What each later time shows; only what shows each time is a divergence, all else is unstable. */
  async #askAgain({ text, divergence, index }: Found): Promise<string[] | undefined> {
    const kind = divergenceKind(divergence);
    const later: string[] = [];
    for (let i = 0; i < ASKED_AGAIN; i++) {
      const ran = await this.#ask(text, isFull(index));
      if (ran === undefined) return undefined;
      const now = ran.result?.divergence;
      const { refused = AGREES } = ran;
      if (now === undefined) later.push(refused);
      else later.push(isSame(now, divergence) ? DIVERGES_AGAIN : otherwise(now, kind));
    }
    return later;
  }

  async #settleOne(found: Found): Promise<void> {
    const { state } = this;
    const { index, divergence, scenario } = found;
    const later = await this.#askAgain(found);
    // The executor is gone for good: the finding stays as it is.
    if (later === undefined) return;
    const kind = divergenceKind(divergence);
    if (later.some((one) => one !== DIVERGES_AGAIN)) {
      const file = this.#directory.saveUnstable(state.seed, index, scenario);
      const at = state.findings.findIndex((f) => f.program === index);
      state.findings.splice(at, 1);
      state.unstable.push({ program: index, kind, divergence, file, later });
      return;
    }
    const alike = state.findings.filter((f) => f.kind === kind && f.shrunk).length;
    if (alike < SHRUNK_PER_KIND) await this.#shrink(found, kind);
  }

  async #shrink({ index, text, divergence }: Found, kind: string): Promise<void> {
    const { state } = this;
    const full = isFull(index);
    let last: { ran: Ran; divergence: Divergence; lines: readonly string[] } | undefined;
    const shows = async (lines: readonly string[]): Promise<boolean> => {
      const candidate = `${lines.join('\n')}\n`;
      if (parseProgram(candidate, 'fuzz.fl').diagnostics.some((d) => d.severity === 'error')) {
        return false;
      }
      const ran = await this.#ask(candidate, full);
      const now = ran?.result?.divergence;
      if (ran === undefined || now === undefined || divergenceKind(now) !== kind) return false;
      last = { ran, divergence: now, lines };
      return true;
    };
    const at = state.findings.findIndex((f) => f.program === index);
    await shrinkLines(text.trimEnd().split('\n').slice(0, divergence.line), shows);
    if (last === undefined) return;
    const { ran, lines } = last;
    const small = findingText(
      ran.program,
      lines,
      ran.transcript,
      last.divergence,
      this.#origin(index),
    );
    const file = this.#directory.saveFinding(state.seed, index, small);
    state.findings[at] = { program: index, kind, divergence: last.divergence, file, shrunk: true };
  }
}

function isSame(a: Divergence, b: Divergence): boolean {
  const keys = ['step', 'task', 'address', 'observable', 'model', 'kernel'] as const;
  return keys.every((key) => a[key] === b[key]);
}

/** Of the same kind, but another value or at another place. */
function otherwise(now: Divergence, kind: string): string {
  const other = divergenceKind(now);
  return other === kind ? `${kind} (model ${now.model}, kernel ${now.kernel})` : other;
}
