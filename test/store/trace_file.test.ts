/** Trace files: what is written is what is read, also after a tear, a rewrite, a full disk. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/index.ts';
import { GROUP_ROWS, openTrace, readTrace, scanTrace, TraceWriter } from '../../src/store/index.ts';
import {
  EVENT_COLUMNS,
  emptyMeta,
  OP_MMAP,
  OP_MUNMAP,
  Summariser,
  summarise,
  type Trace,
  TraceBuilder,
  upgradeTrace,
} from '../../src/trace/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'faultline-trace-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Values of every kind and size, from a seed. */
function sampleTrace(seed: number, rows: number): Trace {
  const chance = new Random(seed);
  const build = new TraceBuilder();
  const far = (): number => chance.next() * 2 ** 20 + chance.below(2 ** 20);
  let time = 0;
  let vpn = far();
  for (let i = 0; i < rows; i++) {
    time += chance.below(chance.chance(2) ? 2 ** 31 : 3000);
    vpn = chance.chance(90) ? vpn + 1 : far();
    if (chance.chance(90)) {
      build.touch(
        time,
        100 + chance.below(3),
        100,
        vpn,
        chance.below(4096),
        1 + chance.below(2),
        1,
      );
      continue;
    }
    const op = chance.chance(50) ? OP_MMAP : OP_MUNMAP;
    const row = build.add(
      time,
      100,
      101,
      op,
      chance.chance(50) ? 0 : vpn,
      0,
      1 + chance.below(2 ** 31),
    );
    const name = build.name(chance.chance(50) ? '' : `/lib/ü${chance.below(400)} \u{1F600}`);
    build.detail(row, chance.next() | 0, -1, chance.below(99), name, chance.chance(20) ? -12 : vpn);
  }
  return build.finish(emptyMeta('tracepoints', 'faultline test'));
}

function write(name: string, trace: Trace, flushes = 1): string {
  const path = join(folder, name);
  const writer = new TraceWriter(path, trace.meta);
  const step = Math.ceil(trace.events.rows / flushes);
  for (let from = 0; from < trace.events.rows; from += step) {
    writer.append(trace.events, from, Math.min(trace.events.rows, from + step), trace.names);
    if (flushes > 1) writer.flush(trace.names);
  }
  writer.close(trace.names, trace.meta);
  return path;
}

/** The first difference between the first `rows` rows, or ''. */
function difference(a: Trace, b: Trace, rows: number): string {
  for (const column of EVENT_COLUMNS) {
    for (let row = 0; row < rows; row++) {
      const x = a.events[column][row]!;
      const y = b.events[column][row]!;
      const same = column === 'name' ? a.names[x] === b.names[y] : x === y;
      if (!same) return `${column} of row ${row}: ${x}, ${y}`;
    }
  }
  return '';
}

describe('a trace file', () => {
  it.each([0, 1, 2, 7, 8, 9, 127, 128, 129, 130, 1000, 5000])('keeps %i events', async (rows) => {
    const trace = sampleTrace(rows + 1, rows);
    const { trace: back, diagnostics } = await readTrace(write(`n${rows}`, trace));
    expect(diagnostics.map((d) => d.code)).toEqual(rows === 0 ? ['TRC005'] : []);
    expect(back!.events.rows).toBe(rows);
    expect(back!.meta).toEqual(trace.meta);
    expect(difference(trace, back!, rows)).toBe('');
  });

  it('keeps more events than a row group has', async () => {
    const trace = sampleTrace(5, GROUP_ROWS + 1000);
    const { trace: back } = await readTrace(write('groups', trace));
    expect(back!.events.rows).toBe(trace.events.rows);
    expect(difference(trace, back!, trace.events.rows)).toBe('');
  });

  it('is counted group by group as it is counted whole', async () => {
    const trace = sampleTrace(6, 20_000);
    const path = write('parts', trace, 7);
    const summariser = new Summariser();
    const sizes: number[] = [];
    const { meta, diagnostics } = await scanTrace(path, (events, names) => {
      sizes.push(events.rows);
      summariser.add(events, names);
    });
    expect(diagnostics).toEqual([]);
    expect(sizes).toHaveLength(7);
    expect(summariser.finish(meta!.lost)).toEqual(summarise(trace));
    // Damaged behind its first groups: those before count.
    const bytes = readFileSync(path);
    const half = bytes.length >> 1;
    bytes.fill(0xff, half, half + 400);
    writeFileSync(path, bytes);
    let rows = 0;
    const torn = await scanTrace(path, (events) => {
      rows += events.rows;
    });
    expect(torn.diagnostics.map((each) => each.code)).toEqual(['TRC006']);
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(20_000);
  });

  it('in shared memory is the same', async () => {
    const trace = sampleTrace(8, 3000);
    const { trace: back } = await readTrace(write('shared', trace), true);
    expect(difference(trace, back!, 3000)).toBe('');
    expect(back!.events.time.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('is usable up to its newest footer wherever it is cut', async () => {
    const trace = sampleTrace(7, 3000);
    const path = write('whole', trace, 12);
    const bytes = readFileSync(path);
    const cutPath = join(folder, 'cut');
    const seen = new Set<number>();
    for (let size = bytes.length - 1; size > 0; size -= 397) {
      writeFileSync(cutPath, bytes.subarray(0, size));
      const { trace: back, diagnostics } = await readTrace(cutPath);
      if (back === undefined) {
        expect(size).toBeLessThan(7000);
        expect(diagnostics[0]!.code).toBe('TRC002');
        continue;
      }
      expect(diagnostics[0]!.code).toBe('TRC004');
      expect(difference(trace, back, back.events.rows)).toBe('');
      seen.add(back.events.rows);
    }
    expect(seen.size).toBe(12);
  });

  it('is usable with foreign bytes behind it', async () => {
    const trace = sampleTrace(8, 100);
    const path = write('tail', trace);
    appendFileSync(path, Buffer.from('PAR1 and the like, PAR1'));
    const { trace: back, diagnostics } = await readTrace(path);
    expect(diagnostics.map((d) => d.code)).toEqual(['TRC004']);
    expect(back!.events.rows).toBe(100);
  });

  it('survives any damaged byte with a diagnostic or other values, never an exception', async () => {
    const trace = sampleTrace(9, 600);
    const bytes = readFileSync(write('damaged', trace));
    const path = join(folder, 'damage');
    const chance = new Random(1);
    for (let i = 0; i < 150; i++) {
      const copy = Buffer.from(bytes);
      copy[chance.below(copy.length)]! ^= 1 << chance.below(8);
      writeFileSync(path, copy);
      const { trace: back, diagnostics } = await readTrace(path);
      expect(back !== undefined || diagnostics.some((d) => d.severity === 'error')).toBe(true);
    }
  });

  it.each([
    ['an empty file', '', 'TRC002', 'the file is empty'],
    ['text', 'mmap(NULL, 4096) = 0\n', 'TRC002', 'no trace'],
    ['nothing but the magic', 'PAR1', 'TRC002', 'torn'],
  ])('says of %s what it is', (_what, text, code, words) => {
    const path = join(folder, 'bad');
    writeFileSync(path, text);
    const { open, diagnostics } = openTrace(path);
    expect(open).toBeUndefined();
    expect(diagnostics[0]!.code).toBe(code);
    expect(diagnostics[0]!.message).toContain(words);
  });

  it('names the reason where there is no file', () => {
    expect(openTrace(join(folder, 'nowhere')).diagnostics[0]!.message).toBe(
      'there is no such file',
    );
    expect(openTrace(folder).diagnostics[0]!.message).toContain('directory');
  });

  it('of a newer schema is refused with both numbers', () => {
    const path = write('newer', sampleTrace(1, 10));
    const bytes = readFileSync(path);
    const at = bytes.indexOf('faultline.schema');
    // The value is a string of one byte behind its Thrift head.
    bytes[at + 'faultline.schema'.length + 2] = '9'.charCodeAt(0);
    writeFileSync(path, bytes);
    const { diagnostics } = openTrace(path);
    expect(diagnostics[0]!.code).toBe('TRC003');
    expect(diagnostics[0]!.message).toBe('this trace has schema version 9; this program reads 1');
  });

  it('of an older schema goes through every upgrader in turn', () => {
    const steps: number[] = [];
    const meta: Record<string, unknown> = { schema: 1 };
    const chain = { 1: () => steps.push(1), 2: () => steps.push(2) };
    const { events } = sampleTrace(1, 1);
    expect(upgradeTrace(1, meta, events, chain, 3)).toBe(true);
    expect(steps).toEqual([1, 2]);
    expect(meta['schema']).toBe(3);
    expect(upgradeTrace(1, meta, events, {}, 2)).toBe(false);
  });

  it('keeps the good part on a full disk', async () => {
    const trace = sampleTrace(3, 20000);
    const path = join(folder, 'full');
    // The limit of file size stands for the disk: the kernel refuses the write all the same.
    const script = `
      process.on('SIGXFSZ', () => {});
      const { TraceWriter } = await import(${JSON.stringify(new URL('../../dist/store/index.js', import.meta.url).href)});
      const { readTrace } = await import(${JSON.stringify(new URL('../../dist/store/index.js', import.meta.url).href)});
      const { trace } = await readTrace(${JSON.stringify(write('source', trace))});
      const writer = new TraceWriter(${JSON.stringify(path)}, trace.meta);
      try {
        for (let i = 0; i < 100; i++) {
          writer.append(trace.events, 0, trace.events.rows, trace.names);
          writer.flush(trace.names);
        }
      } catch (error) { console.log(error.name, error.kept); }`;
    const shell = `ulimit -f 512; exec "$0" --input-type=module -e "$1"`;
    const said = execFileSync('sh', ['-c', shell, process.execPath, script], { encoding: 'utf8' });
    const kept = Number(/^TraceWriteError (\d+)/.exec(said)?.[1]);
    const { trace: back, diagnostics } = await readTrace(path);
    expect(kept).toBeGreaterThan(0);
    expect(diagnostics).toEqual([]);
    expect(back!.events.rows).toBe(kept);
    expect(statSync(path).size).toBeLessThanOrEqual(512 * 1024);
  });
});

describe('a trace file in DuckDB', () => {
  it('is read as it is, and what DuckDB writes is read here', async () => {
    const trace = sampleTrace(11, 4000);
    const path = write('duck.parquet', trace, 5);
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const ask = async (sql: string): Promise<string[][]> =>
      (await connection.runAndReadAll(sql)).getRowsJson().map((row) => row.map(String));
    const touches = trace.events.op.reduce((n, op) => n + (op === 1 ? 1 : 0), 0);
    expect(await ask(`select op, count(*) from '${path}' where op = 'touch' group by op`)).toEqual([
      ['touch', String(touches)],
    ]);
    const sum = trace.events.vpn.reduce((total, vpn) => (total + vpn) % 1e9, 0);
    expect(await ask(`select sum(vpn % 1000000000)::hugeint % 1000000000 from '${path}'`)).toEqual([
      [String(sum)],
    ]);
    const names = new Set([...trace.events.name].map((row) => trace.names[row]!));
    expect(await ask(`select count(distinct name) from '${path}'`)).toEqual([[String(names.size)]]);

    const cut = join(folder, 'duck-cut.parquet');
    const [[schema], [meta]] = (await ask(
      `select decode(value) from parquet_kv_metadata('${path}') order by decode(key) desc`,
    )) as [[string], [string]];
    const quoted = meta.replaceAll("'", "''");
    await connection.run(
      `copy (select * from '${path}' where pid = 100) to '${cut}' (format parquet,
       kv_metadata {'faultline.schema': '${schema}', 'faultline.meta': '${quoted}'})`,
    );
    const { trace: back, diagnostics } = await readTrace(cut);
    expect(diagnostics).toEqual([]);
    expect(back!.meta).toEqual(trace.meta);
    const wanted = [...trace.events.pid].filter((pid) => pid === 100).length;
    expect(back!.events.rows).toBe(wanted);
    const first = trace.events.pid.indexOf(100);
    expect(back!.events.vpn[0]).toBe(trace.events.vpn[first]);
  });

  it('without its metadata is no trace, and says what is missing', async () => {
    const path = write('bare.parquet', sampleTrace(12, 10));
    const cut = join(folder, 'bare-cut.parquet');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(`copy (select * from '${path}') to '${cut}' (format parquet)`);
    const { open, diagnostics } = openTrace(cut);
    if (open !== undefined) closeSync(open.fd);
    expect(diagnostics[0]!.message).toContain('names no schema');
  });
});
