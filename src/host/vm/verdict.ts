/**
 * Why a virtual machine does not answer, read from its console: one sentence, with what can be done
 * about it, and the console's last lines.
 */
import type { Console } from './console.ts';

export interface Verdict {
  /**
   * `kernel`: the kernel itself failed (it panicked, it hangs); `lacks`: it is not configured for
   * this; `emulator`: QEMU would not run it.
   */
  readonly kind: 'kernel' | 'lacks' | 'emulator';
  readonly reason: string;
  readonly hint?: string;
  /** Last lines of the console. */
  readonly console: readonly string[];
}

export interface Ending {
  /** Seconds since the start. */
  readonly seconds: number;
  /** Why we ended it; undefined when it ended by itself. */
  readonly limit?: 'total' | 'silence' | 'answer';
  /** What the emulator wrote to its error output. */
  readonly emulator: string;
  readonly isUp: boolean;
}

const INITRD = 'CONFIG_BLK_DEV_INITRD and CONFIG_RD_GZIP let it unpack the initramfs';

/** What a kernel prints where it lacks an option, and which. */
const LACKS: readonly (readonly [pattern: RegExp, reason: string, hint: string])[] = [
  [/VFS: Unable to mount root fs|VFS: Cannot open root device/, 'it has no initramfs', INITRD],
  [/Initramfs unpacking failed/, 'it cannot unpack its initramfs', INITRD],
  [
    /Failed to execute \/init \(error -8\)|No working init found/,
    'it cannot start /init',
    `CONFIG_64BIT and CONFIG_BINFMT_ELF let it; ${INITRD}`,
  ],
];

const PANIC = 'Kernel panic - not syncing: ';

function seconds(ending: Ending): string {
  return `${Math.round(ending.seconds)} s`;
}

export function verdictOf(log: Console, ending: Ending): Verdict {
  const console = log.tail();
  const lacks = ending.isUp ? undefined : LACKS.find(([pattern]) => log.has(pattern));
  if (lacks !== undefined) return { kind: 'lacks', reason: lacks[1], hint: lacks[2], console };
  const panic = log.after(PANIC);
  const init = log.after('faultline-init: cannot go on: ');
  const executor = log.after('faultline-executor: ');
  if (executor !== undefined) {
    return { kind: ending.isUp ? 'kernel' : 'lacks', reason: `in it, ${executor}`, console };
  }
  if (init !== undefined) return { kind: 'lacks', reason: `in it, ${init}`, console };
  if (panic !== undefined) return { kind: 'kernel', reason: `it panicked: ${panic}`, console };
  if (ending.limit === undefined) {
    const said = ending.emulator.split('\n')[0]?.trim() ?? '';
    if (said !== '') return { kind: 'emulator', reason: `QEMU says: ${said}`, console };
    return { kind: 'kernel', reason: `it ended after ${seconds(ending)}`, console };
  }
  if (console.length === 0) {
    const hint = 'CONFIG_SERIAL_8250_CONSOLE shows what it does; is it an x86-64 kernel?';
    const reason = `it printed nothing on ttyS0 and did not answer in ${seconds(ending)}`;
    return { kind: 'kernel', reason, hint, console };
  }
  const what = {
    total: `it did not come up in ${seconds(ending)}`,
    silence: `it hangs: no answer, and nothing more on the console (ended after ${seconds(ending)})`,
    answer: 'it hangs: no answer in the time of the step',
  };
  return { kind: 'kernel', reason: what[ending.limit], console };
}
