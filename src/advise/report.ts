/** The advice as one document: what `advise --json` prints and the page is made of. */
import type { TraceMeta, TraceNote } from '../trace/index.ts';
import type { Commands } from './apply.ts';
import type { CostModel } from './cost.ts';
import type { Judged } from './front.ts';

export interface AdviceReport {
  readonly trace: string;
  readonly command: readonly string[];
  readonly machine: TraceMeta['machine'];
  readonly kernel: string;
  readonly events: number;
  /** Faults in the trace. */
  readonly recorded: number;
  readonly measured: TraceMeta['measured'];
  readonly costs: CostModel;
  /** The file that the costs are from, '' for the defaults. */
  readonly costsFrom: string;
  readonly passes: number;
  /** As a share: 0.1 is 10 %. */
  readonly maxBloat: number;
  /** In the order tried. */
  readonly settings: readonly Judged[];
  /** Names, in the order of memory. */
  readonly front: readonly string[];
  /** '': under no setting does the trace fit into its machine's memory. */
  readonly recommendation: string;
  readonly commands: Commands;
  readonly warnings: readonly TraceNote[];
}
