import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultline, ROOT } from './faultline.ts';

interface Loader {
  readonly bundles: { readonly all: string; readonly model: string };
  bundleOf(args: readonly string[]): string;
}
const { bundleOf, bundles } = createRequire(import.meta.url)(join(ROOT, 'bin/load.js')) as Loader;

describe('the bundle that a command line starts', () => {
  it('is the small one for the verbs of the model', () => {
    for (const verb of ['run', 'compare', 'why', 'kernels']) {
      expect(bundleOf([verb, 'a.fl', '--json'])).toBe(bundles.model);
      expect(bundleOf([verb, '--help'])).toBe(bundles.model);
    }
    expect(statSync(bundles.model).size).toBeLessThan(statSync(bundles.all).size * 0.6);
  });

  it('has all verbs for everything else', () => {
    expect(bundleOf(['run', '--on', 'host', 'a.fl'])).toBe(bundles.all);
    expect(bundleOf(['run', 'a.fl', '--on=vm:bzImage'])).toBe(bundles.all);
    for (const args of [[], ['help', 'run'], ['verify', 'a.fl'], ['--help'], ['rum']]) {
      expect(bundleOf(args)).toBe(bundles.all);
    }
  });

  it('says the same of a verb from both', () => {
    for (const verb of ['run', 'compare', 'why', 'kernels']) {
      expect(faultline([verb, '--help']).stdout).toBe(faultline(['help', verb]).stdout);
    }
  });

  it('refuses an unknown option in the small one as in the other', () => {
    const small = faultline(['run', 'a.fl', '--bogus']);
    const large = faultline(['run', 'a.fl', '--bogus', '--on', 'model']);
    expect(small.code).toBe(2);
    expect([large.code, large.stderr]).toEqual([small.code, small.stderr]);
  });

  it('has no room below that only other verbs need', () => {
    const map = JSON.parse(readFileSync(`${bundles.model}.map`, 'utf8')) as { sources: string[] };
    const rooms = new Set(map.sources.map((one) => one.split('/')[0]));
    for (const room of ['mm', 'kernel', 'scenario', 'lab', 'laws']) expect(rooms).toContain(room);
    for (const room of ['host', 'check', 'replay', 'record', 'sweep', 'import', 'store']) {
      expect(rooms).not.toContain(room);
    }
  });
});
