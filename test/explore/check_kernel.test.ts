/** `check` as a function: what it finds on the thread's kernels, and what it proves of 6.18. */
import { describe, expect, it } from 'vitest';
import { CALLS, checkKernel, FOCUSES, PRESETS, programOf } from '../../src/explore/index.ts';
import { MemoryModel } from '../../src/explore/memory_model.ts';
import {
  mapRange,
  pageOfFault,
  pmdOrPageTable,
  rangeNone,
  slotOf,
  wholeFolioFits,
} from '../../src/mm/finish_fault/common.ts';
import { folioPages, headOf } from '../../src/mm/folio.ts';
import { findKernel } from '../../src/mm/release.ts';
import type { Release } from '../../src/mm/release_types.ts';
import { VM_FAULT_FALLBACK } from '../../src/mm/vmf.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const bounds = { ...PRESETS.default, steps: 4 };

describe('the patch as posted', () => {
  const report = checkKernel(findKernel('shmem-mthp-v1')!, { bounds });

  it('breaks the laws that the thread and this project know of, each with its own program', () => {
    const laws = new Set(report.violations.map((v) => v.law));
    for (const law of ['translation', 'refcount', 'progress', 'isolation'] as const) {
      expect(laws.has(law), law).toBe(true);
    }
    expect(report.violations.every((v) => v.program.startsWith('# Breaks the law'))).toBe(true);
  });

  it('has each law broken in so many steps, however tasks are named', () => {
    const kinds = ['memfd'] as const;
    const calls = ['fork', 'dontneed', 'punch', 'truncate'] as const;
    for (const tellTasks of [false, true]) {
      const whole = checkKernel(findKernel('shmem-mthp-v1')!, {
        bounds: { ...PRESETS.default, kinds, calls, tellTasks },
      });
      const least = new Map<string, number>();
      for (const { law, steps } of whole.violations) {
        least.set(law, Math.min(steps, least.get(law) ?? steps));
      }
      expect(Object.fromEntries(least)).toEqual({
        refcount: 2,
        progress: 4,
        translation: 4,
        isolation: 4,
        // Two processes map the folio; it loses its last reference in the page cache.
        lifetime: 5,
      });
    }
  });

  it('maps the wrong page after four steps of one process', () => {
    const found = report.violations.find((v) => v.law === 'translation')!;
    expect(found.steps).toBe(4);
    expect(found.shown!.found).toMatch(/^page \d of folio/);
    expect(parseProgram(found.program, 'x.fl').diagnostics).toEqual([]);
  });

  it('still does with the guard of the reply', () => {
    const guarded = checkKernel(findKernel('shmem-mthp-v1-guarded')!, { bounds });
    const laws = new Set(guarded.violations.map((v) => v.law));
    expect([...laws].sort()).toEqual(['isolation', 'progress', 'refcount', 'translation']);
  });
});

describe('kernels that were released', () => {
  it('6.11 faults for ever, and nothing else', () => {
    const report = checkKernel(findKernel('6.11')!, { bounds });
    expect(report.violations.map((v) => v.law)).toEqual(['progress']);
    const { cycle } = report.violations[0]!;
    expect(cycle).toMatch(
      /^write fault at 0x\w+ → .*faults again, and the machine is in the state/,
    );
    expect(cycle).toMatch(/one fault before$/);
  });

  it('6.18 and 6.10 break nothing, and the report says what was never met', () => {
    for (const kernel of ['6.18', '6.10']) {
      const report = checkKernel(findKernel(kernel)!, { bounds });
      expect(report.violations).toEqual([]);
      expect(report.end).toBe('exhausted');
      const idle = report.laws.filter((law) => law.exercised === 0).map((law) => law.name);
      // 6.10 has no folio of 16K, so that nothing can be mapped beyond the touched page's folio.
      expect(idle).toContain('uffd');
      expect(idle.length).toBeLessThanOrEqual(kernel === '6.18' ? 1 : 2);
    }
  });

  it('shared memory has no folio of two pages where the release has no file for that size', () => {
    const two = { ...PRESETS.shared, pages: 2, steps: 4, kinds: ['memfd'] as const };
    for (const kernel of ['6.11', 'shmem-mthp-v1', '6.18']) {
      const report = checkKernel(findKernel(kernel)!, { bounds: two });
      expect(report.violations).toEqual([]);
      const translation = report.laws.find((law) => law.name === 'translation')!;
      expect(translation.exercised > 0).toBe(kernel === '6.18');
    }
  });

  it('stops at the first violation where that is all one wants', () => {
    const report = checkKernel(findKernel('shmem-mthp-v1')!, { first: true });
    expect(report.end).toBe('stopped');
    expect(report.violations.length).toBeGreaterThan(0);
    expect(report.transitions).toBeLessThan(20_000);
  });

  it('judges only the laws that it is asked for', () => {
    const report = checkKernel(findKernel('shmem-mthp-v1')!, { bounds, laws: ['translation'] });
    expect(report.violations.map((v) => v.law)).toEqual(['translation']);
    expect(report.laws.map((law) => law.name)).toEqual(['translation']);
  });
});

describe('depth-first', () => {
  it('has the verdict of breadth-first, and its states where nothing is broken', () => {
    const small = { ...PRESETS.shared, steps: 4, kinds: ['memfd'] as const };
    for (const kernel of ['6.18', '6.11', 'shmem-mthp-v1']) {
      const release = findKernel(kernel)!;
      const wide = checkKernel(release, { bounds: small });
      const deep = checkKernel(release, { bounds: small, depthFirst: true });
      const broken = (report: typeof wide): string[] =>
        [...new Set(report.violations.map((v) => v.law))].sort();
      expect(broken(deep)).toEqual(broken(wide));
      expect(deep.end).toBe('exhausted');
      if (broken(wide).length === 0) expect(deep.states).toBe(wide.states);
    }
  });
});

describe('the alphabet', () => {
  for (const focus of FOCUSES) {
    it(`has a line of a scenario for every step of ${focus}`, () => {
      const bounds = { ...PRESETS[focus], calls: CALLS };
      const { alphabet } = new MemoryModel(findKernel('6.18')!, bounds, -1);
      for (const [i, action] of alphabet.entries()) {
        // Others are there only after a fork.
        if (action.text === '' || action.task > 1) continue;
        const text = programOf(bounds, [i]);
        const { program, diagnostics } = parseProgram(text, 'x.fl');
        expect(diagnostics, text).toEqual([]);
        expect(program.steps.length).toBeGreaterThan(0);
      }
    });
  }

  it('moves, grows, shrinks and fills as the calls do', () => {
    const bounds = { ...PRESETS.uffd, steps: 4, kinds: ['anon'] as const };
    const calls = ['uffd', 'resize', 'move_part', 'hugepage'] as const;
    const report = checkKernel(findKernel('6.18')!, { bounds: { ...bounds, calls } });
    expect(report.violations).toEqual([]);
    const { alphabet } = new MemoryModel(findKernel('6.18')!, { ...bounds, calls }, -1);
    const names = new Set(alphabet.map((action) => action.name));
    for (const name of ['mremap (grow)', 'mremap (shrink)', 'UFFDIO_COPY', 'mremap']) {
      expect(names.has(name), name).toBe(true);
    }
  });
});

describe('symmetry of tasks', () => {
  const kernels = ['6.18', '6.11', 'shmem-mthp-v1'].map((name) => findKernel(name)!);
  const worlds = [
    { ...PRESETS.default, steps: 4, kinds: ['anon', 'memfd'] as const },
    { ...PRESETS.races, steps: 4 },
    { ...PRESETS.cow, tasks: 3, steps: 4, kinds: ['anon'] as const, calls: ['fork'] as const },
  ];
  for (const [i, world] of worlds.entries()) {
    it(`leaves the verdict and takes states away (${i + 1})`, () => {
      for (const kernel of kernels) {
        const merged = checkKernel(kernel, { bounds: world });
        const apart = checkKernel(kernel, { bounds: { ...world, tellTasks: true } });
        const verdict = (report: typeof merged): unknown =>
          report.violations.map(({ law, by, steps }) => `${law} ${by} ${steps}`).sort();
        expect(verdict(merged)).toEqual(verdict(apart));
        expect(merged.end).toBe('exhausted');
        expect(merged.states).toBeLessThan(0.95 * apart.states);
      }
    });
  }
});

describe('userfaultfd', () => {
  const v618 = findKernel('6.18')!;
  const armed = { ...PRESETS.uffd, kinds: ['memfd'], calls: ['uffd', 'fork'], steps: 5 } as const;
  /** finish_fault() of 6.18 that does not ask whether the VMA is armed. */
  const careless: Release = {
    ...v618,
    name: 'careless',
    isVariant: true,
    finishFault: (m, vmf) => {
      const page = pageOfFault(m, vmf);
      const head = headOf(m, page);
      const pmd = pmdOrPageTable(m, vmf, head, true);
      const n = folioPages(m, head);
      if (pmd !== VM_FAULT_FALLBACK) return pmd;
      if (n === 1 || !wholeFolioFits(m, vmf, head, page)) return v618.finishFault(m, vmf);
      const vpn = vmf.vpn - (page - head);
      const slot = slotOf(m, vmf, vpn);
      if (!rangeNone(m, slot, n)) return v618.finishFault(m, vmf);
      return mapRange(m, vmf, head, n, vpn, slot, n - 1);
    },
  };

  it('a whole folio in an armed VMA breaks the law uffd', () => {
    const good = checkKernel(v618, { bounds: armed });
    expect(good.violations).toEqual([]);
    expect(good.laws.find((law) => law.name === 'uffd')!.exercised).toBeGreaterThan(0);
    const bad = checkKernel(careless, { bounds: armed });
    expect(bad.violations.map((v) => v.law)).toEqual(['uffd']);
    expect(bad.violations[0]!.program).toContain('UFFDIO_REGISTER');
  });
});

describe('the canonical form', () => {
  const model = new MemoryModel(findKernel('6.18')!, PRESETS.default, -1);
  const act = (text: string): void => {
    const index = model.alphabet.findIndex((a) => a.text === text);
    expect(index, text).toBeGreaterThanOrEqual(0);
    model.act(index);
  };
  const form = (...steps: string[]): string => {
    model.reset();
    for (const step of steps) act(step);
    model.canonical.run([]);
    return model.canonical.words.subarray(0, model.canonical.length).join(' ');
  };
  const rw = 'PROT_READ|PROT_WRITE';
  const low = `mmap(64K, 16K, ${rw}, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)`;
  const high = `mmap(84K, 16K, ${rw}, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)`;

  it('does not know which frames and rows were used', () => {
    expect(form(low, high)).toBe(form(high, low));
    expect(form(low, high, 'write 64K', 'write 84K')).toBe(
      form(high, 'write 84K', low, 'write 64K'),
    );
  });

  it('knows which pages hold the same', () => {
    expect(form(low, 'write 64K')).not.toBe(form(low, 'read 64K'));
    expect(form(low, 'write 64K', 'write 68K')).toBe(form(low, 'write 68K', 'write 64K'));
  });

  it('is what it was after a state is saved and restored', () => {
    const whole = form(low, 'write 64K', 'fork()', 'write 68K');
    model.reset();
    act(low);
    act('write 64K');
    act('fork()');
    model.save(1);
    act('munmap(64K, 16K)');
    act(high);
    model.restore(1);
    act('write 68K');
    model.canonical.run([]);
    expect(model.canonical.words.subarray(0, model.canonical.length).join(' ')).toBe(whole);
  });
});
