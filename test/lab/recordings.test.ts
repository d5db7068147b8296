/**
 * The model held against what a real kernel answered, from files: needs no kernel, no root. A
 * recording is made anew with `node scripts/record.js`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Divergence,
  decodeProgramRecord,
  hostRelease,
  type OtherTranscript,
  RECORDING_VERSION,
  type RecordedProgram,
  type Recording,
  verifyProgram,
} from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';
import type { TaskObservation } from '../../src/scenario/transcript.ts';

const FOLDER = new URL('../../recordings/', import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

let machine: ReturnType<typeof verifyProgram>['machine'] | undefined;

function verify(recording: Recording, p: RecordedProgram) {
  return verifyTranscript(recording, p, decodeProgramRecord(recording, p));
}

function verifyTranscript(recording: Recording, p: RecordedProgram, seen: OtherTranscript) {
  const { program } = parseProgram(p.text, p.name);
  const release = hostRelease(recording.release)?.release;
  if (release === undefined) throw new Error(`no model of ${recording.release}`);
  const reuse = machine === undefined ? {} : { reuse: machine };
  machine = undefined;
  const found = verifyProgram(program, seen, {
    release,
    memory: recording.memoryBytes,
    ...reuse,
  });
  machine = found.machine;
  return found;
}

function told(name: string, d: Divergence): string {
  return `${name}:${d.line}: ${d.observable} ${d.address}: model ${d.model}, kernel ${d.kernel}`;
}

describe.each(FILES)('recording %s', (file) => {
  const recording = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Recording;

  it('is of a version that is understood, and not empty', () => {
    expect(recording.version).toBe(RECORDING_VERSION);
    expect(recording.programs.length).toBeGreaterThan(30);
  });

  it('agrees with the model in every value', () => {
    const differing: string[] = [];
    let compared = 0;
    for (const p of recording.programs) {
      const found = verify(recording, p);
      compared += found.compared;
      if (found.divergence !== undefined) differing.push(told(p.name, found.divergence));
      if (found.unmodelled !== undefined) differing.push(`${p.name}: ${found.unmodelled}`);
    }
    expect(differing).toEqual([]);
    expect(compared).toBeGreaterThan(10000);
  });

  it('was seen in full, after every step', () => {
    const partly: string[] = [];
    for (const p of recording.programs) {
      for (const tasks of decodeProgramRecord(recording, p).observations) {
        const full = tasks?.every(
          (task) =>
            task.status?.['VmRSS'] !== undefined &&
            task.vmas.every((vma) => vma.smaps !== undefined),
        );
        if (full === false) partly.push(p.name);
      }
    }
    expect(partly).toEqual([]);
  });

  it('would notice one value of each file that is different', () => {
    const [p] = recording.programs;
    const seen = decodeProgramRecord(recording, p!);
    const last = seen.observations.findLastIndex((tasks) => tasks !== undefined);
    const differing = (change: (task: TaskObservation) => TaskObservation) => {
      const observations = seen.observations.map((tasks, i) =>
        i === last ? tasks!.map((task, t) => (t === 0 ? change(task) : task)) : tasks,
      );
      return verifyTranscript(recording, p!, { ...seen, observations }).divergence?.observable;
    };
    const add = (key: string, kb: number) => (task: TaskObservation) => ({
      ...task,
      status: { ...task.status, [key]: task.status![key]! + kb },
    });
    expect(differing((task) => task)).toBeUndefined();
    for (const key of ['VmPeak', 'VmRSS', 'VmData', 'VmStk', 'VmExe', 'VmLib', 'VmPin']) {
      expect(differing(add(key, 4))).toBe(`status ${key}`);
    }
    expect(differing(add('THP_enabled', -1))).toBe('status THP_enabled');
    // The table of exceptions says within which bounds that is compared.
    expect(differing(add('VmHWM', -8))).toBeUndefined();
    expect(differing(add('VmHWM', 4096))).toBe('status VmHWM');
    expect(differing((task) => ({ ...task, vmPte: task.vmPte + 4 }))).toBe('VmPTE kB');
    const smaps = (key: string) => (task: TaskObservation) => ({
      ...task,
      vmas: task.vmas.map((vma) => ({ ...vma, smaps: { ...vma.smaps, [key]: 1 } })),
    });
    expect(differing(smaps('Pss_Dirty'))).toBe('smaps Pss_Dirty');
    expect(differing(smaps('LazyFree'))).toBeUndefined();
  });

  it('would notice one value that is different', () => {
    const p = recording.programs.find((one) => one.outcomes.some((o) => o !== 0 && o[2] > 0));
    if (p === undefined) throw new Error('no program with a fault');
    const outcomes = p.outcomes.map((o) =>
      o === 0 ? o : ([o[0], o[1], o[2] + 1, o[3], o[4]] as const),
    );
    const found = verify(recording, { ...p, outcomes });
    expect(found.divergence?.observable).toBe('minflt');
  });
});
