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
  RECORDING_VERSION,
  type RecordedProgram,
  type Recording,
  verifyProgram,
} from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const FOLDER = new URL('../../recordings/', import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

let machine: ReturnType<typeof verifyProgram>['machine'] | undefined;

function verify(recording: Recording, p: RecordedProgram) {
  const { program } = parseProgram(p.text, p.name);
  const release = hostRelease(recording.release)?.release;
  if (release === undefined) throw new Error(`no model of ${recording.release}`);
  const reuse = machine === undefined ? {} : { reuse: machine };
  machine = undefined;
  const found = verifyProgram(program, decodeProgramRecord(recording, p), {
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
