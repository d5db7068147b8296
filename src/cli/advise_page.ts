/** `advise -o report.html` */
import { writeFileSync } from 'node:fs';
import type { AdviceReport, HeatMap } from '../advise/index.ts';
import type { Diagnostic } from '../base/index.ts';
import { advicePage } from '../page/index.ts';
import { reasonOf } from '../store/index.ts';
import { cliError } from './input.ts';
import { version } from './version.ts';

/** A diagnostic when the file cannot be written. */
export async function writePage(
  path: string,
  report: AdviceReport,
  heat: HeatMap,
): Promise<Diagnostic | undefined> {
  const page = await advicePage(report, heat, version());
  try {
    writeFileSync(path, page);
    return undefined;
  } catch (error) {
    return cliError('CLI001', path, `cannot write the page: ${reasonOf(error)}`);
  }
}
