/** `check --variant`: examples, and variants that are no variants. */
import { describe, expect, it } from 'vitest';
import { faultline, fileIn, withFolder } from './faultline.ts';

function check(source: string, ...args: string[]): { code: number | null; said: string } {
  return withFolder((folder) => {
    const path = fileIn(folder, 'mine.ts', source);
    const ran = faultline(['check', '--variant', path, '--steps', '3', ...args]);
    expect(ran.stderr).not.toMatch(/internal error|at .*\.js:/);
    return { code: ran.code, said: ran.stdout + ran.stderr };
  });
}

describe('the examples', () => {
  it('break what the built-in kernels of the same text break', () => {
    const kinds = (...args: string[]): string[] => {
      const ran = faultline(['check', '--steps', '4', '--json', ...args]);
      const { violations } = JSON.parse(ran.stdout) as {
        violations: { law: string; by: string }[];
      };
      return violations.map(({ law, by }) => `${law} by ${by}`);
    };
    for (const name of ['shmem-mthp-v1', 'shmem-mthp-v1-guarded']) {
      expect(kinds('--variant', `variants/${name}.ts`)).toEqual(kinds('--kernel', name));
    }
    expect(kinds('--variant', 'variants/one-page-if-populated.ts')).toEqual([]);
  });

  it('a forgotten re-check shows where faults are concurrent', () => {
    const alone = faultline(['check', '--variant', 'variants/no-recheck.ts', '--steps', '3']);
    expect(alone.code).toBe(0);
    const args = [
      '--focus',
      'races',
      '--mappings',
      'memfd',
      '--calls',
      'punch',
      '--laws',
      'mapcount',
    ];
    const ran = faultline(['check', '--variant', 'variants/no-recheck.ts', ...args]);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/found mapcount 2, due 1/);
  });
});

describe('a variant that is none', () => {
  it('does not compile', () => {
    const { code, said } = check('export function finishFault(m) {\n  return 0 +;\n}\n');
    expect(code).toBe(2);
    expect(said).toMatch(/mine\.ts:2:13: error: Unexpected ";"/);
  });

  it('imports what there is not', () => {
    const { code, said } = check(
      "import { notThere } from 'faultline';\nexport const finishFault = notThere;\n",
    );
    expect(code).toBe(2);
    expect(said).toMatch(/mine\.ts:1:10: error: No matching export .* "notThere"/);
  });

  it('throws, in a fault or when it is loaded', () => {
    const { code, said } = check("export function finishFault() { throw new Error('no'); }\n");
    expect(code).toBe(2);
    expect(said).toMatch(/mine\.ts: error: finishFault\(\) throws: Error: no/);
    expect(check("throw new Error('early');\n").said).toMatch(/cannot be loaded: early/);
  });

  it('returns nonsense', () => {
    for (const [value, words] of [
      ["'yes'", 'returns string'],
      ['undefined', 'returns undefined'],
      ['0.5', 'returns 0.5'],
      ['1 << 30', 'returns 1073741824'],
    ] as const) {
      const { code, said } = check(`export const finishFault = () => ${value};\n`);
      expect(code, value).toBe(2);
      expect(said).toContain(words);
    }
  });

  it('loops for ever: it is ended, and the program that it was at is told', () => {
    const source = 'export function finishFault() { for (;;); }\n';
    const { code, said } = check(source, '--timeout', '3');
    expect(code).toBe(2);
    expect(said).toMatch(/does not return for 3 s/);
    expect(said).toMatch(/p: (read|write) \d+K/);
  });

  it('exports nothing that changes a kernel, or what is no field of one', () => {
    expect(check('export const x = 1;\n').said).toMatch(/neither `finishFault` nor `release`/);
    expect(check("export const base = '6.99'; export const release = {};\n").said).toMatch(
      /no kernel '6\.99'/,
    );
    expect(check('export const release = { wpReuseLarge: 3 };\n').said).toMatch(
      /`release\.wpReuseLarge` is a number; expected a boolean/,
    );
    expect(check('export const release = { nonsense: true };\n').said).toMatch(/'nonsense'/);
  });

  it('is not there', () => {
    const ran = faultline(['check', '--variant', '/nowhere/x.ts']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/there is no such file/);
  });
});

it('data alone is a variant too', () => {
  const { code, said } = check('export const release = { readPteDirty: false };\n');
  expect(code).toBe(0);
  expect(said).toMatch(/mine\.ts breaks no law within the bounds/);
});
