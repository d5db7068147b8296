/**
 * Calls of several threads that overlap in time: a log gives the order of their ends, the kernel
 * may have taken them in another.
 */
import { callClass, type Program } from '../scenario/index.ts';

interface Span {
  readonly index: number;
  readonly begin: number;
  readonly end: number;
}

export class PendingCalls {
  /** Memory calls that were interrupted by other lines, in order of their ends. */
  readonly #spans: Span[] = [];
  readonly #program: Program;
  #first = 0;

  constructor(program: Program) {
    this.#program = program;
    program.steps.forEach((step, index) => {
      if (step.endLine === undefined || step.op.kind !== 'call') return;
      if (callClass(step.op.name) !== 'memory') return;
      this.#spans.push({ index, begin: step.at.line, end: step.endLine });
    });
  }

  /** Steps that had begun, and had not ended, when step `i` ended. */
  overlapping(i: number): number[] {
    const step = this.#program.steps[i]!;
    const end = step.endLine ?? step.at.line;
    const found: number[] = [];
    while (this.#first < this.#spans.length && this.#spans[this.#first]!.end <= end) this.#first++;
    for (let s = this.#first; s < this.#spans.length; s++) {
      const span = this.#spans[s]!;
      if (span.begin > end) {
        if (span.begin > end + 4096) break;
        continue;
      }
      if (span.index !== i) found.push(span.index);
    }
    return found;
  }
}
