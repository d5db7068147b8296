import type { AdviceReport } from '../advise/index.ts';
import type { Diagnostic } from '../base/index.ts';
export async function writePage(
  _path: string,
  _report: AdviceReport,
): Promise<Diagnostic | undefined> {
  return undefined;
}
