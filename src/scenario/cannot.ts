/**
 * A step that a kernel cannot be asked: it needs what that kernel does not have, or what its machine
 * does not allow. That is no answer of its memory management, and nothing behind it is judged.
 */
import { EACCES, ENOENT, ENOSYS, EPERM, EROFS } from '../base/index.ts';
import type { Operand, Step } from './program.ts';
import type { StepOutcome } from './transcript.ts';

function refused(errno: number): boolean {
  return errno === EPERM || errno === EACCES || errno === EROFS;
}

/** Why a call or a write could not be asked, given what came back; undefined: it was an answer. */
export function cannotAsk(
  { op }: Pick<Step, 'op'>,
  outcome: StepOutcome | undefined,
): string | undefined {
  const errno = outcome?.errno;
  if (errno === undefined) return undefined;
  if (op.kind === 'call' && errno === ENOSYS) return `the kernel has no ${op.name}()`;
  if (op.kind !== 'echo') return undefined;
  if (errno === ENOENT) return `there is no ${op.path}`;
  return refused(errno) ? `${op.path} may not be written` : undefined;
}

/**
 * Why one side of an expectation could not be read. A file of a process that is not there is an
 * answer: the process has ended.
 */
export function cannotRead(operand: Operand, errno: number | undefined): string | undefined {
  if (errno === undefined || (operand.kind !== 'field' && operand.kind !== 'smaps')) {
    return undefined;
  }
  const { path } = operand;
  if (refused(errno)) return `${path} may not be read`;
  return errno === ENOENT && /^\/(sys|proc\/sys)\//.test(path) ? `there is no ${path}` : undefined;
}
