/** Measures what faults cost on this machine: calibrate.c, compiled when it is asked for. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COST_VERSION, type CostModel, interpolate, mappedCosts } from '../advise/index.ts';

/** Pages that a fault-around window has where nothing else was set. */
const WINDOW_PAGES = 16;

interface Measured {
  readonly ns: number;
  /** Pages that each fault gave. */
  readonly pages: number;
}

interface Answer {
  readonly anon: Measured;
  readonly anonHuge: Measured;
  readonly shmem: Measured;
  readonly shmemHuge: Measured;
  readonly shmemMapped: Measured;
  readonly shmemMappedHuge: Measured;
  readonly file: Measured;
  readonly cow: Measured;
  readonly zeroByte: number;
  readonly load4k: number;
  readonly load2m: number;
}

export type Calibrated =
  | { readonly costs: CostModel }
  | { readonly unavailable: string; readonly hint?: string };

function source(): string {
  const here = import.meta.url;
  const places = ['./calibrate/', '../src/sweep/calibrate/', '../../src/sweep/calibrate/'];
  const paths = places.map((place) => fileURLToPath(new URL(`${place}calibrate.c`, here)));
  return paths.find((path) => existsSync(path)) ?? paths[0]!;
}

/** The order of a folio when every fault gave one; 0 where they gave no large ones. */
function orderOf({ pages }: Measured): number {
  const order = Math.round(Math.log2(pages));
  return order > 0 && Math.abs(pages / 2 ** order - 1) < 0.05 ? order : 0;
}

/**
 * The points that were measured. An order that the machine does not give to madvise() costs what
 * clearing its pages adds.
 */
function byOrder(small: Measured, large: Measured, zeroByte: number): [number, number][] {
  const order = orderOf(large);
  if (order > 0) {
    return [
      [0, small.ns],
      [order, large.ns],
    ];
  }
  return [
    [0, small.ns],
    [9, small.ns + 511 * 4096 * zeroByte],
  ];
}

export function costsFrom(answer: Answer, machine: string, date: string): CostModel {
  const {
    anon,
    anonHuge,
    shmem,
    shmemHuge,
    shmemMapped,
    shmemMappedHuge,
    file,
    cow,
    zeroByte,
    load4k,
    load2m,
  } = answer;
  const points = byOrder(anon, anonHuge, zeroByte);
  const ofHuge = points[1]!;
  // Shared memory without large folios of its own: as much more as anonymous memory takes.
  const shmemPoints: [number, number][] =
    orderOf(shmemHuge) > 0
      ? byOrder(shmem, shmemHuge, zeroByte)
      : [
          [0, shmem.ns],
          [ofHuge[0], shmem.ns + ofHuge[1] - anon.ns],
        ];
  return {
    version: COST_VERSION,
    machine,
    date,
    anon: interpolate(points),
    shmem: interpolate(shmemPoints),
    shmemMapped: mappedCosts(
      shmemMapped.ns,
      orderOf(shmemMappedHuge) === 9 ? shmemMappedHuge.ns : undefined,
    ),
    measured: orderOf(anonHuge) > 0 ? [0, orderOf(anonHuge)] : [0],
    // A file just written has large folios, and a fault maps one whole.
    file: file.ns * Math.min(1, WINDOW_PAGES / file.pages),
    cow: cow.ns,
    zeroByte,
    tlbMiss: Math.max(0, load4k - load2m),
  };
}

export function calibrate(): Calibrated {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-calibrate-'));
  try {
    const program = join(folder, 'calibrate');
    const built = spawnSync('cc', ['-O2', '-o', program, source()], { encoding: 'utf8' });
    if (built.error !== undefined) {
      return { unavailable: 'cc, a C compiler, is not installed', hint: 'Debian: apt install gcc' };
    }
    if (built.status !== 0) return { unavailable: `cc: ${built.stderr.trim().split('\n')[0]}` };
    const ran = spawnSync(program, { encoding: 'utf8' });
    if (ran.status !== 0) return { unavailable: `the measurement ended: ${ran.stderr.trim()}` };
    const cpu = cpus()[0]?.model.trim() ?? 'unknown processor';
    const answer = JSON.parse(ran.stdout) as Answer;
    return { costs: costsFrom(answer, `${cpu}, Linux ${release()}`, new Date().toISOString()) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
