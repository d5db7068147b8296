/** What this trace, or the model, cannot tell of these settings: one sentence each. */
import type { TraceNote } from '../trace/index.ts';
import type { Replay } from './state.ts';

function percent(part: number, whole: number): string {
  const share = whole === 0 ? 0 : (part * 100) / whole;
  return share > 0 && share < 0.1 ? 'less than 0.1 %' : `${share.toFixed(1)} %`;
}

/** `base`: the replay under the recording's own settings. */
export function warningsOf(r: Replay, base: Replay): TraceNote[] {
  const { meta } = r.trace;
  const { tally } = r;
  const found: TraceNote[] = [...meta.notes];
  const add = (code: string, text: string): void => {
    if (!found.some((note) => note.code === code)) found.push({ code, text });
  };
  if (!meta.thpDisabled && !meta.mode.startsWith('import-')) {
    add(
      'thp-not-disabled',
      'Large folios were on while recording: first touches inside them are missing.',
    );
  }
  if (meta.lost > 0) {
    add('lost', `${meta.lost} events were lost while recording: faults and memory are too low.`);
  }
  if (tally.recorded === 0 && tally.touches > 0) {
    add('no-faults', 'The trace has accesses but no recorded faults: nothing checks the replay.');
  }
  if (tally.touches === 0) {
    add(
      'no-touches',
      'The trace has no accesses: only calls are replayed, and memory stays empty.',
    );
  }
  if (tally.refused > 0) {
    add(
      'outside',
      `${percent(tally.refused, tally.touches)} of the accesses hit memory of which the trace does not tell; they count as recorded.`,
    );
  }
  if (tally.noMemory > 0) {
    const size = `${Math.round(r.m.pages / 256)} MiB`;
    add(
      'memory-full',
      `The machine's ${size} are used up: ${tally.noMemory} accesses found no memory and count as recorded. The kernel would drop file pages, swap, or kill a process; the model does none of these.`,
    );
  }
  if (tally.refusedCalls > 0) {
    add('calls', `${tally.refusedCalls} of ${tally.calls} memory calls are refused by the model.`);
  }
  const { chosen, chosenOtherwise } = base.tally;
  if (chosenOtherwise > 0 && !r.recordedPlaces) {
    add(
      'addresses',
      `Of ${chosen} addresses that the kernel chose, the model would have chosen ${chosenOtherwise} otherwise; these settings move mappings, and those are less certain.`,
    );
  }
  const hidden = base.finder?.found.vpn.length ?? 0;
  if (hidden * 100 > base.tally.touches) {
    add(
      'hidden',
      `The recording mapped ${hidden} pages of shared memory around others: which of them were used is estimated.`,
    );
  }
  if (r.m.settings.faultAroundPages < base.m.settings.faultAroundPages) {
    add(
      'fault-around',
      'The recording saw files through a larger fault-around window: with a smaller one there are more faults of files than are counted here.',
    );
  }
  // What the program's counters have: exceptions that the kernel took twice are one fault.
  const { measured } = meta;
  const took = measured === null ? base.tally.recorded : measured.minflt + measured.majflt;
  const takes = base.tally.total();
  if (base.tally.recorded > 0 && Math.abs(takes - took) / took > 0.01) {
    add(
      'baseline',
      `Under the settings of the recording the model takes ${takes} faults, the program took ${took}.`,
    );
  }
  return found;
}
