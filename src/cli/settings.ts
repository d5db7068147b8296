/**
 * `--set PATH=VALUE` is `echo VALUE > FILE` before the first step. A path stands below
 * /sys/kernel/mm/transparent_hugepage/; `vm.NAME` and a few bare names are files elsewhere.
 */
import { InvalidArgumentError } from 'commander';
import type { Diagnostic } from '../base/index.ts';
import type { RunReport } from '../lab/index.ts';
import type { Program, Step } from '../scenario/index.ts';
import { clean } from '../view/index.ts';
import { cliError } from './input.ts';

const THP = '/sys/kernel/mm/transparent_hugepage/';
const BARE: Readonly<Record<string, string>> = {
  fault_around_bytes: '/sys/kernel/debug/fault_around_bytes',
};

export interface Setting {
  readonly path: string;
  readonly value: string;
}

export function pathOf(name: string): string {
  if (name.startsWith('/')) return name;
  const known = BARE[name];
  if (known !== undefined) return known;
  if (/^vm\.\w+$/.test(name)) return `/proc/sys/vm/${name.slice(3)}`;
  return THP + name;
}

/** Parses one `PATH=VALUE`; for commander, which collects them. */
export function collectSetting(text: string, earlier: readonly Setting[] = []): Setting[] {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals).trim();
  const value = text.slice(equals + 1).trim();
  if (equals < 1 || name === '' || value === '' || clean(text) !== text) {
    throw new InvalidArgumentError('expected PATH=VALUE, as in hugepages-64kB/enabled=always');
  }
  return [...earlier, { path: pathOf(name), value }];
}

/** The program with the settings written before its first step; such a step has line 0. */
export function withSettings(program: Program, settings: readonly Setting[]): Program {
  if (settings.length === 0) return program;
  const task = program.steps.find((step) => step.task !== '')?.task ?? '';
  const steps = settings.map(
    ({ path, value }): Step => ({
      at: { line: 0, column: 0 },
      text: `echo ${value} > ${path}`,
      task,
      op: { kind: 'echo', value, path },
    }),
  );
  return { ...program, steps: [...steps, ...program.steps] };
}

/** Settings that were refused: bad usage, as a misspelt option is. */
export function refusedSettings(report: RunReport): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const step of report.steps) {
    if (step.line !== 0) break;
    if (step.errno === undefined) continue;
    const message = `--set: ${step.text}: refused with ${step.errno}`;
    const hint = step.errno === 'ENOENT' ? `paths are those below ${THP}` : undefined;
    found.push(cliError('CLI005', 'faultline', message, hint));
  }
  return found;
}
