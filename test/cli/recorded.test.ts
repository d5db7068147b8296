/** `--on RECORDING`: a kernel's answers from a file, in the place of the kernel. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { faultline, fileIn, withFolder } from './faultline.ts';

const CORPUS = 'recordings/corpus.json';
const FILE = 'scenarios/thread-fork-mremap.fl';
const { release, date } = JSON.parse(
  readFileSync(new URL(`../../${CORPUS}`, import.meta.url), 'utf8'),
);

describe('a recording in the place of a kernel', () => {
  it('is compared with the model; its release and date are told', () => {
    const ran = faultline(['verify', '--on', CORPUS, FILE]);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toContain(`${FILE}: agrees (`);
    expect(ran.stdout).toContain(
      `1 of 1 files agree: model 6.18, kernel ${release}, recorded on ${date}`,
    );
    expect(ran.code).toBe(0);
  });

  it('differs from a model that is another', () => {
    const ran = faultline(['verify', '--json', '--on', CORPUS, '-k', 'shmem-mthp-v1', FILE]);
    expect(ran.code).toBe(1);
    const [found] = JSON.parse(ran.stdout).files;
    expect(found.verdict).toBe('differs');
    expect(found.divergence).toMatchObject({ line: 16, text: 'write b' });
  });

  it('runs: the maps are those that the kernel had', () => {
    const ran = faultline(['run', '--json', '--on', CORPUS, FILE]);
    expect(ran.code).toBe(0);
    const report = JSON.parse(ran.stdout);
    expect(report.kernel).toBe(`recording of ${release}`);
    const child = report.tasks.find((t: { name: string }) => t.name === 'child');
    expect(child.pages.filter((p: { order: number }) => p.order === 2)).toHaveLength(4);
  });

  it('judges what the file expects by what the kernel answered', () => {
    const ran = faultline(['run', '--json', '--on', CORPUS, FILE]);
    const report = JSON.parse(ran.stdout);
    const expects = report.steps.filter((s: { text: string }) => s.text.startsWith('expect '));
    expect(expects.length).toBeGreaterThan(3);
    expect(expects.every((s: { verdict: string }) => s.verdict === 'matched')).toBe(true);
    expect(report.summary.mismatched).toBe(0);
  });

  it('has expectations that fail, when the kernel answered something else', () => {
    withFolder((folder) => {
      const recording = JSON.parse(
        readFileSync(new URL(`../../${CORPUS}`, import.meta.url), 'utf8'),
      );
      const one = recording.programs.find((p: { name: string }) => FILE.endsWith(p.name));
      const [step, [left, right]] = Object.entries(one.expects).at(-1) as [string, unknown[]];
      expect(left).toEqual(right);
      one.expects[step] = [null, right];
      writeFileSync(`${folder}/other.json`, JSON.stringify(recording));
      const ran = faultline(['run', '--json', '--on', `${folder}/other.json`, FILE]);
      expect(ran.code).toBe(1);
      const { steps, summary } = JSON.parse(ran.stdout);
      expect(summary.mismatched).toBe(1);
      const wrong = steps.find((s: { verdict: string }) => s.verdict === 'mismatched');
      expect(wrong.text.startsWith('expect ')).toBe(true);
      expect(wrong.result).toBe('none');
    });
  });

  it('has a fixed machine: settings cannot be given to it', () => {
    const set = ['--set', 'hugepages-64kB/enabled=always'];
    const ran = faultline(['run', ...set, '--on', CORPUS, FILE]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('--set cannot change what it was asked');
    expect(ran.stderr).toContain('[CLI013]');
  });

  it('answers only the very text that was recorded', () => {
    withFolder((folder) => {
      const text = readFileSync(new URL(`../../${FILE}`, import.meta.url), 'utf8');
      const changed = fileIn(folder, 'thread-fork-mremap.fl', `${text}\n`);
      for (const verb of ['run', 'verify']) {
        const ran = faultline([verb, '--on', CORPUS, changed]);
        expect(ran.code).toBe(2);
        expect(ran.stderr).toContain('its text is not the one that was recorded');
        expect(ran.stderr).toContain('[CLI013]');
        // A file that nobody ran has no verdict.
        expect(ran.stdout).not.toContain('✓');
      }
      const other = fileIn(folder, 'other.fl', text);
      const ran = faultline(['verify', '--on', CORPUS, other]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain(`the recording ${CORPUS} does not hold other.fl`);
    });
  });

  it('is refused when it is none', () => {
    withFolder((folder) => {
      const cases: readonly (readonly [string, string])[] = [
        ['{', 'it is not JSON'],
        ['{"version":1}', 'is no recording of a kernel'],
        ['{"version":9,"release":"6.18.1","date":"","layout":{},"programs":[]}', 'of version 9'],
      ];
      for (const [text, why] of cases) {
        const path = fileIn(folder, 'r.json', text);
        const ran = faultline(['verify', '--on', path, FILE]);
        expect(ran.code).toBe(2);
        expect(ran.stderr).toContain(why);
      }
      const missing = faultline(['run', '--on', `${folder}/none.json`, FILE]);
      expect(missing.code).toBe(2);
      expect(missing.stderr).toContain('there is no such file');
    });
    expect(faultline(['fuzz', '--on', CORPUS]).code).toBe(2);
  });
});
