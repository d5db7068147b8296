/** The categories of `inspect` on page tables that are written down here. */
import { expect, test } from 'vitest';
import { inspectReport } from '../../src/lab/index.ts';
import { LIVE_ANON, LIVE_ZERO, type LivePages } from '../../src/scenario/live.ts';

const CONT = 16;

/** Rows of vpn, pfn, head of the folio, pages of the folio, bits. */
function pages(rows: readonly (readonly number[])[]): LivePages {
  const column = (i: number) => rows.map((row) => row[i]!);
  return {
    vpn: Float64Array.from(column(0)),
    pfn: Float64Array.from(column(1)),
    head: Float64Array.from(column(2)),
    pages: Uint16Array.from(column(3)),
    bits: Uint8Array.from(column(4)),
  };
}

/** `count` pages from `vpn` on that map frames from `pfn` on of one folio. */
function run(
  vpn: number,
  pfn: number,
  count: number,
  head: number,
  size: number,
  bits = LIVE_ANON,
) {
  return Array.from({ length: count }, (_, i) => [vpn + i, pfn + i, head, size, bits]);
}

function sums(rows: readonly (readonly number[])[], pmdPages = 0) {
  const mapping = { startVpn: 0, endVpn: 4096, perms: 'rw-p', name: '', pmdPages };
  return inspectReport(7, 'x', [{ ...mapping, pages: pages(rows) }], CONT).total;
}

test('a folio from end to end at a multiple of its size is aligned, elsewhere unaligned', () => {
  const aligned = sums(run(64, 1024, 16, 1024, 16));
  expect(aligned).toMatchObject({ resident: 16, anon: 16, aligned: 16, unaligned: 0, cont: 16 });
  expect(aligned.byOrder[4]).toBe(16);
  const moved = sums(run(65, 1024, 16, 1024, 16));
  expect(moved).toMatchObject({ aligned: 0, unaligned: 16, partial: 0, cont: 0 });
});

test('a part of a folio is partial, and still holds the blocks that are whole', () => {
  const part = sums(run(70, 1030, 58, 1024, 64));
  expect(part).toMatchObject({ resident: 58, aligned: 0, partial: 58, cont: 48 });
  expect(part.byOrder[6]).toBe(58);
});

test('a hole, or a page of another folio, ends a run', () => {
  const torn = sums([...run(64, 1024, 4, 1024, 16), ...run(70, 1030, 10, 1024, 16)]);
  expect(torn).toMatchObject({ resident: 14, aligned: 0, partial: 14, cont: 0 });
  const two = sums([...run(64, 1024, 16, 1024, 16), ...run(80, 1040, 16, 1040, 16)]);
  expect(two).toMatchObject({ resident: 32, aligned: 32, cont: 32 });
});

test('small pages have no category, the zero page is not resident, PMDs are counted by smaps', () => {
  const mixed = sums(
    [...run(0, 50, 1, 50, 1, 0), ...run(1, 90, 2, 90, 1), ...run(3, 99, 1, 99, 1, LIVE_ZERO)],
    512,
  );
  expect(mixed).toMatchObject({ resident: 3, anon: 2, zero: 1, pmd: 512, aligned: 0, partial: 0 });
  expect(mixed.byOrder[0]).toBe(3);
});

test('mappings add up to the total', () => {
  const mapping = { startVpn: 0, endVpn: 64, perms: 'rw-p', name: 'a', pmdPages: 0 };
  const one = { ...mapping, pages: pages(run(16, 16, 16, 16, 16)) };
  const report = inspectReport(7, 'x', [one, { ...one, name: 'b' }], CONT);
  expect(report.mappings.map((m) => [m.name, m.aligned])).toEqual([
    ['a', 16],
    ['b', 16],
  ]);
  expect(report.total.aligned).toBe(32);
  expect(report.total.byOrder[4]).toBe(32);
});
