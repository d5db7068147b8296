/** The real kernel against the model: every scenario, and random programs of a fixed seed. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { HostKernel } from '../../src/host/index.ts';
import {
  BLOCK_PROGRAMS,
  blockSettings,
  hostRelease,
  isFull,
  programText,
  verifyProgram,
} from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';
import { describeHost } from './support.ts';

const SCENARIOS = new URL('../../scenarios/', import.meta.url);
const PROGRAMS = 2048;
const SEED = 18;
const STEPS = 20;
const LIMIT_MS = 300000;

let machine: ReturnType<typeof verifyProgram>['machine'] | undefined;

/** Of the host's refusals: a step of a task that is gone by then, one that aims at the executor's memory. */
const REFUSALS = new Set(['HOST009', 'HOST017']);

/** What differs in a program; '' = nothing, undefined = this machine does not allow what it needs. */
async function difference(host: HostKernel, name: string, text: string, full: boolean) {
  const { program } = parseProgram(text, name);
  if (program.memory !== undefined) return undefined;
  const seen = await host.execute(program, { observe: full ? 'full' : 'pages' });
  const errors = seen.notes.filter((note) => note.severity === 'error');
  if (errors.length > 0 && errors.every((note) => REFUSALS.has(note.code))) return undefined;
  if (errors.length > 0) return `${name}: ${errors[0]?.message}`;
  const { release } = hostRelease(host.info().release) ?? {};
  if (release === undefined) return `${name}: no modelled kernel`;
  const reuse = machine === undefined ? {} : { reuse: machine };
  machine = undefined;
  const found = verifyProgram(program, seen, { release, memory: seen.memoryBytes, ...reuse });
  machine = found.machine;
  if (found.cannot !== undefined) return undefined;
  const d = found.divergence;
  if (d !== undefined) {
    return `${name}:${d.line}: ${d.text}: ${d.observable} ${d.address}: model ${d.model}, kernel ${d.kernel}`;
  }
  return found.unmodelled === undefined ? '' : `${name}: not modelled: ${found.unmodelled}`;
}

await describeHost('model and kernel', (host) => {
  it('agree on every scenario, in full', { timeout: LIMIT_MS }, async () => {
    await host.quiet();
    const differing: string[] = [];
    let agreeing = 0;
    for (const name of readdirSync(SCENARIOS).filter((file) => file.endsWith('.fl'))) {
      const found = await difference(
        host,
        name,
        readFileSync(new URL(name, SCENARIOS), 'utf8'),
        true,
      );
      if (found === '') agreeing++;
      else if (found !== undefined) differing.push(found);
    }
    expect(differing).toEqual([]);
    expect(agreeing).toBeGreaterThan(60);
  });

  it(`agree on ${PROGRAMS} random programs`, { timeout: LIMIT_MS }, async () => {
    await host.quiet();
    const differing: string[] = [];
    let refused = 0;
    for (let first = 0; first < PROGRAMS; first += BLOCK_PROGRAMS) {
      const settings = ['p: getpid()', ...blockSettings(SEED, first), ''].join('\n');
      const { program } = parseProgram(settings, 'settings.fl');
      await host.execute(program, { observe: 'none', hold: true });
      const one = async (index: number): Promise<void> => {
        const text = programText(SEED, index, STEPS);
        const found = await difference(host, `program ${index}`, text, isFull(index));
        if (found === undefined) refused++;
        // What another process or a kernel thread has done is not there a second time.
        else if (found !== '' && (await difference(host, 'again', text, isFull(index))) !== '') {
          differing.push(found);
        }
      };
      let next = first;
      const work = async (): Promise<void> => {
        while (next < first + BLOCK_PROGRAMS) await one(next++);
      };
      await Promise.all([work(), work(), work()]);
    }
    expect(differing).toEqual([]);
    expect(refused).toBeLessThan(PROGRAMS / 100);
  });
});
