/**
 * Bundled recordings of real programs, made with large folios off. What they predict is held against
 * what the same programs did on Linux 6.18.44 under these settings, three runs each
 * (scripts/prove.js): faults and the largest resident set, in kB.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { releaseNamed, replayReport, THP_ROOT } from '../../src/replay/index.ts';
import { readTrace } from '../../src/store/index.ts';
import type { Trace } from '../../src/trace/index.ts';
import { ROOT } from '../cli/faultline.ts';

const SIZES = [8, 16, 32, 64, 128, 256, 512, 1024, 2048];

/** The named sizes `always`, for anonymous and shared memory alike. */
function settingsOf(name: string): { path: string; value: string }[] {
  const sizes = name.split('+').map(Number);
  return SIZES.flatMap((kb) =>
    ['enabled', 'shmem_enabled']
      .filter((file) => kb !== 8 || file !== 'enabled')
      .map((file) => ({
        path: `${THP_ROOT}hugepages-${kb}kB/${file}`,
        value: sizes.includes(kb) ? 'always' : 'never',
      })),
  );
}

type Measured = readonly [setting: string, faults: readonly number[], rss: readonly number[]];

const PROGRAMS: Readonly<Record<string, readonly Measured[]>> = {
  redis: [
    ['off', [11857, 11864, 11853], [51264, 51228, 51408]],
    ['16', [4127, 4133, 4133], [52432, 52360, 52168]],
    ['64', [2218, 2214, 2209], [53448, 53432, 53404]],
    ['2048', [3599, 3595, 3593], [56120, 56092, 55992]],
    ['16+64+2048', [1635, 1636, 1640], [57308, 57292, 57356]],
  ],
  postgres: [
    ['off', [51024, 50422, 50780], [106040, 106556, 106096]],
    ['16', [21107, 21601, 21566], [112288, 111632, 113604]],
    ['64', [11311, 11323, 11339], [121244, 119868, 121492]],
    ['2048', [6661, 6661, 6660], [143408, 143508, 143432]],
    ['16+64+2048', [5779, 5732, 5808], [143700, 143932, 143840]],
  ],
};

/**
 * Inside the spread of the runs, or this near to it. Which of PostgreSQL's processes touches a
 * buffer first is the scheduler's choice.
 */
const NEAR = { faults: 0.015, rss: 0.025 };

function near(value: number, runs: readonly number[], share: number): boolean {
  return value >= Math.min(...runs) * (1 - share) && value <= Math.max(...runs) * (1 + share);
}

describe.each(Object.entries(PROGRAMS))('%s', (name, measured) => {
  let trace: Trace;
  beforeAll(async () => {
    const read = await readTrace(join(ROOT, `recordings/traces/${name}.parquet`));
    expect(read.diagnostics).toEqual([]);
    trace = read.trace!;
  });

  test.each(measured)('%s', (setting, faults, rss) => {
    const options = { release: releaseNamed(), settings: settingsOf(setting), samples: 0 };
    const { report } = replayReport(trace, options);
    const { predicted } = report;
    expect(predicted).not.toBeNull();
    const total = predicted!.minflt + trace.meta.measured!.majflt;
    expect([total, near(total, faults, NEAR.faults)]).toEqual([total, true]);
    const kb = Math.round(predicted!.maxrss / 1024);
    expect([kb, near(kb, rss, NEAR.rss)]).toEqual([kb, true]);
    expect(report.warnings).toEqual([]);
  });
});
