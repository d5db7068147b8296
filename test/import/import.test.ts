/** Logs of real runs become traces; whatever is broken in them is named by its line. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/index.ts';
import { LogImport, type LogKind } from '../../src/import/index.ts';
import {
  OP_EXEC,
  OP_EXIT,
  OP_FORK,
  OP_FTRUNCATE,
  OP_LOST,
  OP_MAP,
  OP_MMAP,
  OP_MUNMAP,
  OP_SHMAT,
  OP_SHMGET,
  OP_THREAD,
  OP_TOUCH,
  type TraceBuilder,
} from '../../src/trace/index.ts';
import { expectGolden } from '../support/golden.ts';
import { dump } from './dump.ts';

const SAMPLES = ['perf', 'perf_ns', 'strace', 'strace_y', 'lackey'];

function sample(name: string): string {
  const path = fileURLToPath(new URL(`../data/import/${name}.txt`, import.meta.url));
  return readFileSync(path, 'utf8');
}

function read(text: string, piece = text.length, options = {}) {
  const log = new LogImport('log', options);
  for (let at = 0; at < text.length; at += piece) log.push(text.slice(at, at + piece));
  const { facts, diagnostics } = log.finish();
  return { facts, diagnostics, kind: log.kind, builder: log.builder as TraceBuilder };
}

const textOf = (builder: TraceBuilder): string => dump(builder.events, builder.names);

function rowsOf(builder: TraceBuilder, op: number): number[] {
  const rows: number[] = [];
  for (let row = 0; row < builder.rows; row++) if (builder.events.op[row] === op) rows.push(row);
  return rows;
}

describe.each(SAMPLES)('the sample %s', (name) => {
  const text = sample(name);

  it('has its golden events, facts and no diagnostics', () => {
    const { facts, diagnostics, kind, builder } = read(text);
    expect(diagnostics.filter((d) => d.severity !== 'note')).toEqual([]);
    const notes = facts!.notes.map((note) => `# ${note.code}: ${note.text}\n`).join('');
    const files = facts!.files.map(
      (file) => `# file ${file.name} ${file.kind} ${file.dev}:${file.ino} ${file.size}\n`,
    );
    const head = `# ${kind}, ${facts!.mode}, ${facts!.command.join(' ')}, lost ${facts!.lost}\n`;
    expectGolden(`import/${name}.txt`, head + notes + files.join('') + textOf(builder));
  });

  it('gives the same in pieces of 100 bytes, and with CR before each newline', () => {
    const whole = textOf(read(text).builder);
    expect(textOf(read(text, 100).builder)).toBe(whole);
    expect(textOf(read(text.replaceAll('\n', '\r\n'), 99).builder)).toBe(whole);
  });

  it('has times that never fall', () => {
    const { time } = read(text).builder.events;
    const { rows } = read(text).builder;
    for (let row = 1; row < rows; row++) expect(time[row]!).toBeGreaterThanOrEqual(time[row - 1]!);
  });

  it('keeps everything else when lines are broken, and names each', () => {
    const lines = text.split('\n');
    const broken = [30, 60, 90];
    const marred = lines.flatMap((line, i) =>
      broken.includes(i) ? ['!! garbage ((', line] : [line],
    );
    const { diagnostics, builder } = read(marred.join('\n'));
    expect(textOf(builder)).toBe(textOf(read(text).builder));
    const found = diagnostics.filter((d) => d.code === 'IMP002');
    expect(found.map((d) => d.line)).toEqual([31, 62, 93]);
    expect(found[0]!.message).toContain('!! garbage');
  });

  it('never throws, whatever bytes are damaged', () => {
    const chance = new Random(7);
    for (let round = 0; round < 20; round++) {
      const letters = [...text];
      for (let i = 0; i < 40; i++) {
        letters[chance.below(letters.length)] = String.fromCharCode(chance.below(256));
      }
      const cut = letters.join('').slice(0, chance.below(letters.length));
      expect(() => read(cut, 1000)).not.toThrow();
    }
  });
});

describe('perf script', () => {
  const { builder, facts } = read(sample('perf_ns'));
  const { events, names } = builder;

  it('tells threads, forks with their flags, executed programs and ends', () => {
    expect(rowsOf(builder, OP_THREAD)).toHaveLength(1);
    const forks = rowsOf(builder, OP_FORK).map((row) => events.arg2[row]! & 0x100);
    // fork() copies the address space, vfork() shares it.
    expect(forks).toEqual([0, 0x100]);
    const images = rowsOf(builder, OP_EXEC).map((row) => names[events.name[row]!]);
    expect(images).toEqual(['/usr/bin/setarch', './sample', '/bin/true']);
    expect(rowsOf(builder, OP_EXIT)).toHaveLength(3);
  });

  it('lists an image after its exec, ascending and without overlap', () => {
    const [first] = rowsOf(builder, OP_EXEC);
    let end = 0;
    let row = first! + 1;
    for (; events.op[row] === OP_MAP || events.op[row] === 3; row++) {
      if (events.op[row] !== OP_MAP) continue;
      expect(events.vpn[row]!).toBeGreaterThanOrEqual(end);
      end = events.vpn[row]! + events.length[row]! / 4096;
    }
    expect(row - first!).toBeGreaterThan(8);
  });

  it('gives shared objects names of their own, and their sizes', () => {
    const mapped = rowsOf(builder, OP_MMAP).map((row) => names[events.name[row]!]!);
    expect(mapped.filter((name) => name.startsWith('/dev/zero#'))).toHaveLength(1);
    const memfd = mapped.find((name) => name.startsWith('/memfd:sample#'))!;
    const [resize] = rowsOf(builder, OP_FTRUNCATE);
    expect(names[events.name[resize!]!]).toBe(memfd);
    expect(events.length[resize!]).toBe(4 * 4096);
    const segment = names[events.name[rowsOf(builder, OP_SHMAT)[0]!]!];
    expect(names[events.name[rowsOf(builder, OP_SHMGET)[0]!]!]).toBe(segment);
    expect(facts!.files.find((file) => file.name === segment)!.kind).toBe('sysv');
    expect(facts!.files.find((file) => file.name === memfd)!.kind).toBe('memfd');
  });

  it('keeps calls that failed, with their error', () => {
    const failed = rowsOf(builder, OP_MUNMAP).filter((row) => events.result[row]! < 0);
    expect(failed.map((row) => events.result[row])).toEqual([-22]);
  });

  it('puts another thread’s unmapping before a mapping that took its place', () => {
    const line = (tid: number, us: number, rest: string): string =>
      `app 7/${tid} 1.${String(us).padStart(6, '0')}: ${rest}\n`;
    const { builder: built } = read(
      line(7, 1, 'syscalls:sys_enter_munmap: addr: 0x7f0000001000, len: 0x00002000') +
        line(
          8,
          2,
          'syscalls:sys_enter_mmap: addr: 0x0, len: 0x1000, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0',
        ) +
        line(8, 3, 'syscalls:sys_exit_mmap: 0x7f0000002000') +
        line(7, 4, 'syscalls:sys_exit_munmap: 0x0'),
    );
    expect([...built.events.op.subarray(0, 2)]).toEqual([OP_MUNMAP, OP_MMAP]);
    expect(built.rows).toBe(2);
  });

  it('counts lost events', () => {
    const text = `${sample('perf_ns')}\n  app 9/9 9999.000000000: PERF_RECORD_LOST lost 17\n`;
    const { builder: built, facts: found } = read(text);
    expect(found!.lost).toBe(17);
    expect(built.events.result[rowsOf(built, OP_LOST)[0]!]).toBe(17);
  });

  it('leaves out a launcher, and its child until it executes', () => {
    const setarch = events.pid[0]!;
    const { builder: built } = read(sample('perf_ns'), 4096, { launchers: [setarch] });
    const child = rowsOf(built, OP_EXEC).map((row) => built.names[built.events.name[row]!]);
    expect(child).toEqual(['/bin/true']);
    expect(rowsOf(built, OP_TOUCH).every((row) => built.events.pid[row] !== setarch)).toBe(true);
  });

  it("leaves out, and counts, the faults of the recorder's own pages", () => {
    const { builder: all } = read(sample('perf_ns'));
    const page = all.events.vpn[rowsOf(all, OP_TOUCH)[0]!]!;
    const here = rowsOf(all, OP_TOUCH).filter((row) => all.events.vpn[row] === page).length;
    const { builder: built, facts } = read(sample('perf_ns'), 4096, {
      ownPages: { start: page, end: page + 1 },
    });
    expect(here).toBeGreaterThan(0);
    expect(facts!.own).toBe(here);
    expect(rowsOf(built, OP_TOUCH).length).toBe(rowsOf(all, OP_TOUCH).length - here);
  });

  it('reads software events with addresses, whose access is unknown', () => {
    const text =
      '  app  7/7  1.000000001: page-faults:u:     7f50ef826b70\n  app  7/7  1.000000002: page-faults:  7f50ef827000 401000 main+0x10 (/bin/app)\n';
    const { builder: built, facts: found } = read(text);
    expect([...built.events.vpn.subarray(0, 2)]).toEqual([0x7f50ef826, 0x7f50ef827]);
    expect(built.events.arg[0]).toBe(0);
    expect(found!.notes.map((note) => note.code)).toContain('access-unknown');
  });
});

describe('a log', () => {
  it.each([
    ['of nothing', '', 'the log is empty'],
    ['of blanks', '\n \n\n', 'the log is empty'],
    ['of another kind', 'Dear Sir,\nplease find enclosed\n', 'no log of a known kind'],
    ['that is binary', '\x7fELF\x02\x01\x01\0\0\n\0\0', 'no log of a known kind'],
  ])('%s is refused', (_what, text, words) => {
    const { facts, diagnostics } = read(text);
    expect(facts).toBeUndefined();
    expect(diagnostics[0]!.code).toBe('IMP001');
    expect(diagnostics[0]!.message).toContain(words);
  });

  it.each([
    [
      'perf script',
      '# captured on: Tue\n#\n  a b 1/2 3.000001: exceptions:page_fault_user: address=0x7000 ip=0x1 error_code=0x6\n',
    ],
    ['strace', 'strace: Process 5 attached\n[pid 5] brk(NULL) = 0x1000\n'],
    ['strace', '17 10:00:00.000001 <... mmap resumed>) = 0x7f0000000000\n'],
    [
      'Valgrind lackey',
      'noise of the program\n==5== Lackey, an example Valgrind tool\n S 1000,8\n',
    ],
  ])('of %s is known by its content', (kind, text) => {
    expect(read(text).kind).toBe(kind);
  });

  it('has a line of more than a megabyte left out', () => {
    const text = `==5== Lackey\n S 1000,8\n S ${'0'.repeat(3 << 20)},8\n S 2000,8\n`;
    const { diagnostics, builder } = read(text, 1 << 16);
    expect(diagnostics.map((d) => [d.code, d.line])).toEqual([['IMP005', 3]]);
    expect(rowsOf(builder, OP_TOUCH)).toHaveLength(2);
  });

  it('without the exec of a launched command has its faults only when told that it began', () => {
    const text = [
      ' launcher 100/100 1.000000001: PERF_RECORD_FORK(101:101):(100:100)',
      ' launcher 100/100 1.000000002: exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x6',
      ' launcher 101/101 1.000000003: exceptions:page_fault_user: address=0x2000 ip=0x1 error_code=0x6',
      ' launcher 101/101 1.000000004: exceptions:page_fault_user: address=0x3000 ip=0x1 error_code=0x6',
      '',
    ].join('\n');
    const launched = { kind: 'perf' as LogKind, launchers: [100] };
    expect(read(text, 64, launched).builder.rows).toBe(0);
    const { builder } = read(text, 64, { ...launched, begun: [101] });
    expect([...builder.events.pid.subarray(0, builder.rows)]).toEqual([101, 101]);
  });

  it('of a million bad lines makes few diagnostics', () => {
    const log = new LogImport('log', { kind: 'lackey' as LogKind });
    for (let i = 0; i < 10000; i++) log.push('nonsense\n');
    const { diagnostics } = log.finish();
    expect(diagnostics).toHaveLength(21);
    expect(diagnostics.at(-1)!.message).toBe('9980 more like these, the last one here');
  });
});
