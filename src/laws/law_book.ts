/**
 * The laws of one machine, and how often each was exercised.
 *
 *   book.before(task, vpn, kind); access(…); book.after(task, vpn, kind, result)   each access
 *   book.loaded(task, vpn, value) / book.stored(task, vpn, value)                  where it succeeded
 *   book.called(effect)                                                            each other step
 *   book.check()                                                                   state at rest
 *   book.fresh(violations)                             those that no earlier call told
 */
import type { TaskRow, Vpn } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Vmf } from '../mm/vmf.ts';
import { AccessLaws } from './access_laws.ts';
import { judgeFreed, judgeProtected } from './call_laws.ts';
import { Census } from './census.ts';
import { ChainLaws } from './chain_laws.ts';
import { CounterLaws, Leaks } from './counter_laws.ts';
import { EntryLaws } from './entry_laws.ts';
import { FolioLaws } from './folio_laws.ts';
import { judgeChild } from './inheritance.ts';
import { type LawName, Report, type Violation } from './law.ts';
import { type Effect, Shadow } from './shadow.ts';

export class LawBook {
  readonly exercised = new Map<LawName, number>();
  /** Violations that the last check() counted but did not spell out. */
  untold: ReadonlyMap<LawName, number> = new Map();
  private readonly m: Machine;
  private readonly census: Census;
  private readonly accesses: AccessLaws;
  private readonly shadow: Shadow;
  private readonly told = new Set<string>();
  private readonly leaks = new Leaks();

  constructor(m: Machine) {
    this.m = m;
    this.census = new Census(m);
    this.accesses = new AccessLaws(m);
    this.shadow = new Shadow(m);
  }

  /**
   * Judges the state now. `only` leaves out other laws' violations; `faults` are the contexts of
   * faults that stand between two phases, which hold references of their own.
   */
  check(only?: readonly LawName[], faults: readonly Vmf[] = []): Violation[] {
    const { m, census } = this;
    const report = new Report(m, this.exercised);
    const entries = new EntryLaws(m, census, report);
    census.take(entries, entries);
    entries.close();
    const folios = new FolioLaws(m, census, report, faults);
    folios.run();
    new CounterLaws(m, census, report).run(folios.totals, this.leaks);
    new ChainLaws(m, report).run();
    this.shadow.unwritten.judge(report, (pfn) => census.dirtyEntry(pfn));
    this.untold = report.untold;
    if (only === undefined) return report.violations;
    return report.violations.filter((violation) => only.includes(violation.law));
  }

  before(task: TaskRow, vpn: Vpn, kind: number): void {
    this.accesses.begin(task, vpn, kind);
  }

  after(task: TaskRow, vpn: Vpn, kind: number, result: number): Violation[] {
    const report = new Report(this.m, this.exercised);
    this.accesses.end(report, task, vpn, kind, result);
    return report.violations;
  }

  loaded(task: TaskRow, vpn: Vpn, value: number): Violation[] {
    const report = new Report(this.m, this.exercised);
    this.shadow.loaded(report, task, vpn, value);
    return report.violations;
  }

  stored(task: TaskRow, vpn: Vpn, value: number): void {
    this.shadow.stored(task, vpn, value);
  }

  /** A step that was no access: what it did to memory contents. */
  called(effect: Effect = { kind: 'unknown' }): Violation[] {
    this.shadow.apply(effect);
    if (effect.loses !== undefined) {
      const { mm, charge, locked } = effect.loses;
      this.leaks.commit.mayLose += charge;
      this.leaks.lockedOf(mm).mayLose += locked;
    }
    const report = new Report(this.m, this.exercised);
    if (effect.kind === 'forked') judgeChild(this.m, report, effect.parent, effect.child);
    else if (effect.kind === 'protected') judgeProtected(this.m, report, effect, effect.on);
    else if (effect.kind === 'freed') judgeFreed(this.m, report, effect);
    return report.violations;
  }

  /** Those violations that were not among an earlier call's: a broken state stays broken. */
  fresh(violations: readonly Violation[]): Violation[] {
    return violations.filter((violation) => {
      if (this.told.has(violation.message)) return false;
      this.told.add(violation.message);
      return true;
    });
  }
}
