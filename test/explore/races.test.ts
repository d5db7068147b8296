/** Concurrent faults: what re-checks are there for is found when a kernel forgets them. */
import { describe, expect, it } from 'vitest';
import { checkKernel, PRESETS } from '../../src/explore/index.ts';
import { mapRange, pageOfFault, pmdOrPageTable, slotOf } from '../../src/mm/finish_fault/common.ts';
import { headOf } from '../../src/mm/folio.ts';
import { findKernel } from '../../src/mm/release.ts';
import type { Release } from '../../src/mm/release_types.ts';
import { VM_FAULT_FALLBACK, VM_FAULT_NOPAGE } from '../../src/mm/vmf.ts';

const races = PRESETS.races;
const v618 = findKernel('6.18')!;

/** finish_fault() that does not look at the entry again under the page-table lock. */
const careless: Release = {
  ...v618,
  name: 'careless',
  isVariant: true,
  finishFault: (m, vmf) => {
    const page = pageOfFault(m, vmf);
    const pmd = pmdOrPageTable(m, vmf, headOf(m, page), true);
    if (pmd !== VM_FAULT_FALLBACK) return pmd;
    const slot = slotOf(m, vmf, vmf.vpn);
    return slot === 0 ? VM_FAULT_NOPAGE : mapRange(m, vmf, page, 1, vmf.vpn, slot, 0);
  },
};

describe('races', () => {
  it('6.18 keeps every law with two faults at a time', () => {
    const report = checkKernel(v618, { bounds: { ...races, steps: 5 } });
    expect(report.violations).toEqual([]);
    expect(report.end).toBe('exhausted');
    expect(report.states).toBeGreaterThan(10_000);
  });

  it('a dropped re-check is found only where faults are concurrent', () => {
    const alone = checkKernel(careless, { bounds: { ...PRESETS.shared, steps: 3 } });
    expect(alone.violations).toEqual([]);
    const together = checkKernel(careless, {
      bounds: { ...races, steps: 7, kinds: ['shared'], calls: [] },
      first: true,
    });
    const found = together.violations[0]!;
    expect(['mapcount', 'refcount', 'counters', 'no-overwrite']).toContain(found.law);
    expect(found.schedule!.filter((line) => line.includes('finish_fault()')).length).toBe(2);
    expect(found.program).toContain('# The order of events');
  });
});
