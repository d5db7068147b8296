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
  sort: [
    ['off', [34783, 34784, 34783], [140192, 140192, 140320]],
    ['16', [8803, 8805, 8808], [140348, 140348, 140348]],
    ['64', [2329, 2329, 2329], [140372, 140372, 140372]],
    ['2048', [730, 731, 730], [143124, 143124, 143124]],
    ['16+64+2048', [249, 249, 250], [143148, 143148, 143148]],
  ],
  redis: [
    ['off', [11922, 11929, 11919], [51256, 51256, 51192]],
    ['16', [4194, 4197, 4194], [52416, 52288, 52444]],
    ['64', [2280, 2278, 2278], [53404, 53404, 53344]],
    ['2048', [3663, 3663, 3663], [56152, 56072, 56092]],
    ['16+64+2048', [1699, 1700, 1699], [57352, 57264, 57368]],
  ],
  postgres: [
    ['off', [45607, 45608, 45608], [125016, 125148, 125136]],
    ['16', [16893, 16893, 16895], [125900, 125788, 125884]],
    ['64', [9488, 9457, 9480], [125920, 126208, 126088]],
    ['2048', [5867, 5867, 5869], [143488, 143348, 143348]],
    ['16+64+2048', [5208, 5163, 5160], [143552, 143776, 143612]],
  ],
};

/** Inside the spread of the runs, or this near to it. PostgreSQL was recorded with --precise. */
const NEAR: Readonly<Record<string, { faults: number; rss: number }>> = {
  sort: { faults: 0.01, rss: 0.001 },
  redis: { faults: 0.003, rss: 0.003 },
  postgres: { faults: 0.003, rss: 0.002 },
};

function near(value: number, runs: readonly number[], share: number): boolean {
  return value >= Math.min(...runs) * (1 - share) && value <= Math.max(...runs) * (1 + share);
}

describe.each(Object.entries(PROGRAMS))('%s', (name, measured) => {
  let trace: Trace;
  const allowed = NEAR[name]!;
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
    expect([total, near(total, faults, allowed.faults)]).toEqual([total, true]);
    const kb = Math.round(predicted!.maxrss / 1024);
    expect([kb, near(kb, rss, allowed.rss)]).toEqual([kb, true]);
    expect(report.warnings.map(({ code }) => code)).toEqual([]);
  });
});
