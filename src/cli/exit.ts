/** Exit codes, and the message for a defect of ours. */
import { bugContext, FaultlineBug } from '../base/index.ts';
import { versionText } from './version.ts';

export const EXIT_OK = 0;
/** A law, an expectation or a kernel disagrees. */
export const EXIT_DISAGREES = 1;
/** The input or the usage is bad. */
export const EXIT_INPUT = 2;
/** Our own bug. */
export const EXIT_BUG = 70;

/**
 * What is said of an exception that nobody expected: where, what to report, and a stack only for
 * those who asked for one.
 */
export function bugMessage(error: unknown): string {
  const isOurs = error instanceof FaultlineBug;
  const what = error instanceof Error ? (isOurs ? error.message : String(error)) : String(error);
  const lines = [`faultline: internal error: ${what}`];
  if (bugContext.step !== '') lines.push(`  while executing ${bugContext.step}`);
  if (bugContext.seed !== '') lines.push(`  with seed ${bugContext.seed}`);
  lines.push(
    '  This is a defect of Faultline, not of your input. Please report this message with the',
    `  input file, the command line and the version: ${versionText()}.`,
  );
  if (process.env['FAULTLINE_DEBUG'] && error instanceof Error) lines.push(error.stack ?? '');
  else
    lines.push(
      '  With FAULTLINE_DEBUG=1 in the environment it tells where in the code it happened.',
    );
  return `${lines.join('\n')}\n`;
}
