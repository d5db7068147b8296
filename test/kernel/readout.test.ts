/**
 * The model's smaps, pagemap, kpageflags and kpagecount against what a real 6.18 printed for the
 * same calls (golden/area.c, golden/area.txt), byte by byte but for inode numbers.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Driver } from './driver.ts';

const golden = readFileSync(new URL('./golden/area.txt', import.meta.url), 'utf8');
const BASE = 0x10000000000;
const BASE_VPN = BASE / 4096;
const K = 1024;
const FIXED = 0x10;
const PRIV = 0x22;
const SHARED_ANON = 0x21;
const RW = 3;

const at = (mib: number): number => BASE + mib * 1024 * K;
const page = (mib: number): number => at(mib) / 4096;

function sections(text: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const part of text.split(/^== /m).slice(1)) {
    const end = part.indexOf('\n');
    out.set(part.slice(0, end), part.slice(end + 1));
  }
  return out;
}

/**
 * Inode numbers of objects without a name differ from run to run. `gu` (a mapping that has had guard
 * pages) came with a stable release after the source that the model follows.
 */
function mask(text: string): string {
  return text.replace(/ 00:01 \d+ +\//g, ' 00:01 INO /').replaceAll(' gu ', ' ');
}

function smaps(d: Driver, mibs: number): string {
  const all = d.text('/proc/self/smaps');
  const entries = all.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const end = BASE + mibs * 1024 * K;
  const inside = entries.filter((e) => {
    const start = Number.parseInt(e, 16);
    return start >= BASE && start < end;
  });
  return inside.join('');
}

const IGNORED_LOW = (1 << 5) | (1 << 6) | (1 << 2) | (1 << 25);

function pages(d: Driver, mibs: number): string {
  const n = mibs * 256;
  const map = d.words('/proc/' + d.kernel.m.task.pid[d.task] + '/pagemap', BASE_VPN, n);
  const lines: { from: number; to: number; text: string }[] = [];
  for (let i = 0; i < n; i++) {
    const low = map[i * 2]!;
    const high = map[i * 2 + 1]!;
    if (low === 0 && high === 0) continue;
    let flags = '000000000';
    let count = 0;
    if (high >>> 31 === 1) {
      const f = d.words('/proc/kpageflags', low, 1);
      flags = f[1]!.toString(16) + ((f[0]! & ~IGNORED_LOW) >>> 0).toString(16).padStart(8, '0');
      count = d.words('/proc/kpagecount', low, 1)[0]!;
    }
    const text = `${(high >>> 16).toString(16).padStart(4, '0')} ${flags} ${count}`;
    const last = lines.at(-1);
    if (last !== undefined && last.text === text && last.to === i) last.to = i + 1;
    else lines.push({ from: i, to: i + 1, text });
  }
  return lines.map((l) => `${l.from.toString(16)}-${l.to.toString(16)} ${l.text}\n`).join('');
}

/** The calls of golden/area.c. */
function build(d: Driver): void {
  const map = (mib: number, len: number, prot: number, flags: number, fd = -1, off = 0): void => {
    expect(d.call('mmap', at(mib), len, prot, flags | FIXED, fd, off)).toBe(at(mib));
  };
  const advise = (mib: number, offset: number, len: number, advice: number): void => {
    expect(d.call('madvise', at(mib) + offset, len, advice)).toBe(0);
  };
  map(0, 64 * K, RW, PRIV);
  d.touch(page(0), 4);
  d.touch(page(0) + 4, 2, 0);
  d.call('mprotect', at(0) + 32 * K, 8 * K, 1);
  map(1, 64 * K, RW, SHARED_ANON);
  d.touch(page(1), 3);
  const fd = d.call('memfd_create', 'gold', 0);
  expect(d.call('ftruncate', fd, 64 * K)).toBe(0);
  map(2, 32 * K, RW, 1, fd);
  d.touch(page(2), 2);
  map(3, 32 * K, RW, 2, fd);
  d.touch(page(3), 1);
  d.touch(page(3) + 1, 1, 0);
  map(4, 16 * K, 1, 1, fd, 8 * K);
  map(5, 32 * K, RW, PRIV | 0x4000 | 0x20000);
  map(6, 32 * K, RW, PRIV);
  expect(d.call('mlock', at(6), 16 * K)).toBe(0);
  map(7, 32 * K, 0, PRIV);
  map(8, 2048 * K, RW, PRIV);
  advise(8, 0, 2048 * K, 14);
  d.touch(page(8) + 2, 1);
  map(10, 4096 * K, RW, PRIV);
  advise(10, 0, 4096 * K, 14);
  d.touch(page(10), 1, 0);
  d.touch(page(12), 1);
  map(14, 64 * K, RW, PRIV);
  d.touch(page(14), 8);
  advise(14, 8 * K, 8 * K, 102);
  advise(14, 0, 4 * K, 4);
  map(15, 16 * K, RW, PRIV);
  advise(15, 0, 4 * K, 10);
  advise(15, 8 * K, 4 * K, 18);
  d.touch(page(15), 4);
  map(16, 16 * K, RW, 0x28);
  d.touch(page(16), 1);
  map(17, 16 * K, 5, PRIV);
  expect(d.call('mseal', at(17), 4 * K, 0)).toBe(0);
  map(18, 16 * K, RW, PRIV | 0x100);
  d.touch(page(18), 1);
  map(19, 16 * K, RW, PRIV);
  advise(19, 0, 4 * K, 2);
  advise(19, 4 * K, 4 * K, 1);
  advise(19, 8 * K, 4 * K, 16);
  advise(19, 12 * K, 4 * K, 15);
}

test('smaps and page words are those of a real kernel, before and after fork', () => {
  const real = sections(golden);
  const d = new Driver();
  const same = (who: string, mibs: number): void => {
    // Which folios count as referenced after a fork depends on the kernel's LRU batches.
    const young = (text: string): string =>
      who === 'parent' ? text : text.replace(/^Referenced: .*$/gm, 'Referenced');
    const expected = young(mask(real.get(`smaps of ${who}`)!));
    expect(young(mask(smaps(d, mibs))), `smaps of ${who}`).toBe(expected);
    expect(pages(d, mibs), `pages of ${who}`).toBe(real.get(`pages of ${who}`));
  };
  build(d);
  same('parent', 20);
  const child = d.kernel.taskByPid(d.call('fork'));
  d.as(child, () => {
    d.touch(page(0), 1);
    d.touch(page(1) + 2, 2);
    d.touch(page(8) + 2, 1);
    same('child', 20);
  });
  same('parent after fork', 20);
  d.as(child, () => d.raw('exit_group', 0));
  expect(d.call('wait4', -1, 0, 0, 0)).toBeGreaterThan(0);
  d.touch(page(0), 2);
  same('parent after exit', 2);
});
