/**
 * Random programs of memory calls, replayed against what a real kernel answered: every result, and
 * the mappings, their resident memory and the counters at the end.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newRow } from '../../src/base/index.ts';
import { anonVmaPrepare } from '../../src/mm/anon_vma.ts';
import { internName } from '../../src/mm/mm_types.ts';
import { pteSlotAlloc } from '../../src/mm/pgalloc.ts';
import { smapsText } from '../../src/mm/task_mmu.ts';
import { OPS_FILE, OPS_SPECIAL } from '../../src/mm/vm_flags.ts';
import { insertVma } from '../../src/mm/vma.ts';
import { call, FILES, makeWorld, type Word, type World } from './world.ts';

const PATH = new URL('../data/mm/calls-6.18.44.txt', import.meta.url);

/** VmFlags code to bit, those that a mapping of a plain process has. */
const BITS = new Map(
  Object.entries({
    rd: 0,
    wr: 1,
    ex: 2,
    mr: 4,
    mw: 5,
    me: 6,
    gd: 8,
    pf: 10,
    io: 14,
    de: 18,
    ac: 20,
  }),
);
const FLAG_DD = 26;

interface Program {
  readonly name: string;
  readonly calls: string[];
  readonly state: string[];
}

interface Recording {
  readonly head: string[];
  readonly programs: Program[];
}

function parse(text: string): Recording {
  const head: string[] = [];
  const programs: Program[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line === 'end' || line.startsWith('#')) continue;
    const program = programs.at(-1);
    if (line.startsWith('program ')) programs.push({ name: line, calls: [], state: [] });
    else if (program === undefined) head.push(line);
    else if (line.includes(' = ')) program.calls.push(line);
    else program.state.push(line);
  }
  return { head, programs };
}

const hex = (text: string | undefined): number => Number.parseInt(text ?? '', 16);

function mapImage(w: World, line: string): void {
  const { m } = w;
  const [, start, end, off, file, anon, name, codes] = line.split(' ');
  const v = newRow(m.vma);
  m.vma.mm[v] = w.mm;
  m.vma.start[v] = hex(start);
  m.vma.end[v] = hex(end);
  m.vma.pgoff[v] = file === '1' ? hex(off) : hex(start);
  let flags = 0;
  for (const code of (codes ?? '').split(',')) {
    flags |= 1 << (code === 'dd' ? FLAG_DD : (BITS.get(code) ?? 0));
  }
  m.vma.flags[v] = flags;
  if (name?.startsWith('[v') === true) {
    m.vma.ops[v] = OPS_SPECIAL;
    m.vma.name[v] = internName(m, name);
  } else if (file === '1') {
    const exe = w.files[FILES.diskReadOnly] ?? 0;
    m.vma.ops[v] = OPS_FILE;
    m.vma.file[v] = exe;
    m.file.refs[exe] = (m.file.refs[exe] ?? 0) + 1;
  }
  insertVma(m, v);
  if (anon === '1') anonVmaPrepare(m, v);
}

/** The process as it was when the recording began: its image, and the page tables it had. */
function boot(head: readonly string[]): World {
  const w = makeWorld();
  const { m, mm } = w;
  const sig = m.task.sig[w.task] ?? 0;
  m.sig.memlockCur[sig] = 8 << 20;
  for (const line of head) {
    const words = line.split(' ');
    const at = (i: number): number => hex(words[i]);
    switch (words[0]) {
      case 'brk':
        m.mm.brk[mm] = at(1);
        m.mm.startData[mm] = at(2);
        m.mm.endData[mm] = at(3);
        m.mm.brkStart[mm] = at(4);
        break;
      case 'vm':
        m.mm.vmPeak[mm] = Number(words[1]) / 4;
        m.mm.totalVm[mm] = Number(words[2]) / 4;
        m.mm.dataVm[mm] = Number(words[4]) / 4;
        m.mm.stackVm[mm] = Number(words[5]) / 4;
        break;
      case 'vma':
        mapImage(w, line);
        break;
      case 'pages':
        for (const range of words.slice(1)) {
          const [from, to] = range.split('-').map(hex);
          for (let vpn = from ?? 0; vpn < (to ?? 0); vpn++) pteSlotAlloc(m, mm, vpn);
        }
        break;
    }
  }
  return w;
}

function runCall(w: World, line: string): string {
  const [text, expected] = line.split(' = ');
  const [name, ...words] = (text ?? '').split(' ').filter((x) => x !== '');
  const result = call(w, name ?? '', ...(words as Word[]));
  const shown = result < 0 ? `-${-result}` : result.toString(16);
  return `${text} = ${shown}${shown === expected ? '' : `, not ${expected}`}`;
}

const FIELDS = [
  'Rss',
  'Pss',
  'Shared_Clean',
  'Shared_Dirty',
  'Private_Clean',
  'Private_Dirty',
  'Anonymous',
  'AnonHugePages',
  'ShmemPmdMapped',
  'Locked',
];

/** The image's own mappings are left out: their pages are not in the recording. */
function isImage(start: string, header: string): boolean {
  return header.includes('[v') || start.startsWith('00000') || /^7ffff7ff[7bd]|^7fffff/.test(start);
}

/** The state in the form of the recording. */
function state(w: World, forked: boolean): string[] {
  const c = w.m.mm;
  const kb = (pages: number | undefined): number => (pages ?? 0) * 4;
  const peak = Math.max(c.vmPeak[w.mm] ?? 0, c.totalVm[w.mm] ?? 0);
  const counters = [peak, c.totalVm[w.mm], c.lockedVm[w.mm], c.dataVm[w.mm], c.stackVm[w.mm]];
  const tables = forked ? '-' : String(kb(c.tables[w.mm]));
  const lines = [`status ${counters.map(kb).join(' ')} ${tables}`];
  for (const entry of smapsText(w.m, w.mm).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const header = /^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ (\d+).*$/m.exec(entry);
    if (header === null) continue;
    const [, from = '', to = '', prot, offset, ino] = header;
    const start = from.padStart(12, '0');
    if (start.length > 12 || isImage(start, header[0])) continue;
    const values = FIELDS.map(
      (name) => new RegExp(`^${name}: +(\\d+)`, 'm').exec(entry)?.[1] ?? '',
    );
    const flags = /^VmFlags: (.*)$/m.exec(entry)?.[1]?.trim() ?? '';
    const shownOffset = ino === '0' ? '-' : offset;
    const bounds = `${start}-${to.padStart(12, '0')}`;
    lines.push(`${bounds} ${prot} ${shownOffset} ${values.join(' ')} | ${flags}`);
  }
  return lines;
}

describe('recorded on 6.18.44', () => {
  const { head, programs } = parse(readFileSync(PATH, 'latin1'));

  it('has programs', () => {
    expect(programs.length).toBeGreaterThan(50);
  });

  it.each(programs.map((program) => [program.name, program] as const))('%s', (_, program) => {
    const w = boot(head);
    expect(program.calls.map((line) => runCall(w, line))).toEqual(program.calls);
    const forked = program.calls.some((line) => line.startsWith('fork'));
    expect(state(w, forked)).toEqual(program.state);
  });
});
