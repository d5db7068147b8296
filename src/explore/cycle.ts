/**
 * A fault that never ends, as a cycle: the same access faults again and again, and the state after
 * a round is the state before it. Nobody else runs, so that nothing will ever change.
 */
import { decisionOf } from '../lab/why_words.ts';
import { handleMmFault } from '../mm/memory.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { FAULT_FLAG_USER, FAULT_FLAG_WRITE } from '../mm/vmf.ts';
import { WhyLog } from '../mm/why.ts';
import { OP_READ, OP_WRITE, sizeText } from './alphabet.ts';
import type { MemoryModel } from './memory_model.ts';

/** Faults after which a state must have come again: a fault changes a bounded number of entries. */
const ROUNDS_MAX = 16;

export interface FaultCycle {
  /** Faults of one round. */
  readonly faults: number;
  /** What each round decides, in order. */
  readonly decisions: readonly string[];
}

/** The cycle that a program's last access is in; undefined if its state does not come again. */
export function faultCycle(model: MemoryModel, actions: readonly number[]): FaultCycle | undefined {
  const { world, canonical } = model;
  const { m } = world;
  const last = model.alphabet[actions.at(-1)!]!;
  if (last.op !== OP_READ && last.op !== OP_WRITE) return undefined;
  model.reset();
  for (const action of actions.slice(0, -1)) model.act(action);
  const flags = FAULT_FLAG_USER | (last.op === OP_WRITE ? FAULT_FLAG_WRITE : 0);
  const { why } = m;
  const forms: string[] = [];
  const logs: WhyLog[] = [];
  let cycle: FaultCycle | undefined;
  for (let round = 0; round < ROUNDS_MAX && cycle === undefined; round++) {
    canonical.run([]);
    const form = canonical.words.subarray(0, canonical.length).join(' ');
    const before = forms.indexOf(form);
    if (before >= 0) {
      const entries = logs.slice(before).flatMap((log) => log.entries);
      const decisions = entries.map((entry) => decisionOf(m, entry).text);
      cycle = { faults: round - before, decisions };
      break;
    }
    forms.push(form);
    const log = new WhyLog();
    m.why = log;
    const mm = m.task.mm[last.task]!;
    handleMmFault(m, last.task, vmaLookup(m, mm, last.at), last.at, flags);
    logs.push(log);
  }
  m.why = why;
  return cycle;
}

/** In a sentence. */
export function cycleWords(model: MemoryModel, actions: readonly number[]): string {
  const cycle = faultCycle(model, actions);
  if (cycle === undefined) return '';
  const { text, at } = model.alphabet[actions.at(-1)!]!;
  const kind = text.startsWith('write') ? 'write' : 'read';
  const n = cycle.faults === 1 ? 'one fault' : `${cycle.faults} faults`;
  const { decisions } = cycle;
  const events =
    decisions.length === 0 ? `${kind} fault at ${sizeText(at)}` : decisions.join(' → ');
  return `${events} → the access faults again, and the machine is in the state in which it was ${n} before`;
}
