/** strace's lines about signals and the ends of tasks. */
import { word } from '../base/index.ts';
import { parseInteger } from './numbers.ts';
import type { Op } from './program.ts';
import { skipWord } from './scan.ts';

/** The word behind `key` in `text`, '' when there is none. */
function wordAfter(text: string, key: string): string {
  const found = text.indexOf(key);
  if (found < 0) return '';
  const start = found + key.length;
  return text.slice(start, skipWord(text, start, text.length));
}

/** `--- stopped by SIGSTOP ---`: not a signal that the program sees. */
export function isStop(text: string): boolean {
  return text.startsWith('--- stopped by ');
}

/** `--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---`. */
export function signalOp(text: string): Op | undefined {
  if (!text.startsWith('--- SIG') || !text.endsWith(' ---')) return undefined;
  const signal = text.slice(4, skipWord(text, 4, text.length));
  const code = wordAfter(text, 'si_code=');
  const written = wordAfter(text, 'si_addr=');
  const address = written === 'NULL' ? word.ZERO : parseInteger(written);
  return {
    kind: 'signal',
    signal,
    ...(code === '' ? {} : { code }),
    ...(written === '' || address === undefined ? {} : { address }),
  };
}

/** `+++ exited with 0 +++`, `+++ killed by SIGX (core dumped) +++`, `+++ superseded by … +++`. */
export function exitedOp(text: string): Op | undefined {
  if (!text.endsWith(' +++')) return undefined;
  if (text.startsWith('+++ exited with ')) {
    const status = Number(wordAfter(text, 'exited with '));
    return Number.isInteger(status) ? { kind: 'exited', status } : undefined;
  }
  if (text.startsWith('+++ killed by ')) {
    const killedBy = wordAfter(text, 'killed by ');
    return killedBy === '' ? undefined : { kind: 'exited', killedBy };
  }
  if (text.startsWith('+++ superseded by execve in pid ')) {
    const supersededBy = wordAfter(text, 'in pid ');
    return supersededBy === '' ? undefined : { kind: 'exited', supersededBy };
  }
  return undefined;
}
