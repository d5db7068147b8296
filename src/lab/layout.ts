/**
 * The address space in which a scenario begins: one private mapping of the program's image, the
 * heap behind it, the stack, and nothing else. It is that of the host's executor, so that an
 * address chosen by the kernel is the same on the model and on the host.
 */
import type { TaskRow } from '../base/index.ts';
import type { Kernel, Layout } from '../kernel/index.ts';
import { ACCESS_WRITE, access, storeContent } from '../mm/memory.ts';
import {
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_IO,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_NOHUGEPAGE,
  VM_READ,
  VM_WRITE,
} from '../mm/vm_flags.ts';

export interface ProgramLayout {
  /** End of the hole that the top-down search begins with. */
  readonly mmapTopVpn: number;
  readonly brkVpn: number;
  readonly stackStartVpn: number;
  readonly stackEndVpn: number;
  /** The image. */
  readonly own: { readonly startVpn: number; readonly endVpn: number };
}

export const DEFAULT_LAYOUT: ProgramLayout = {
  mmapTopVpn: 0x7ffff7fff,
  brkVpn: 0x558000000,
  stackStartVpn: 0x7ffffffde,
  stackEndVpn: 0x7ffffffff,
  own: { startVpn: 0x557ffff70, endVpn: 0x558000000 },
};

/** personality(2): addresses are the same in every run. */
const ADDR_NO_RANDOMIZE = 0x40000;

const MAY_ALL = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

export function kernelLayout(layout: ProgramLayout): Layout {
  const rw = VM_READ | VM_WRITE | VM_ACCOUNT | MAY_ALL;
  return {
    mmapTopVpn: layout.mmapTopVpn,
    brkStart: layout.brkVpn * 4096,
    stackTopVpn: layout.stackEndVpn,
    startCode: layout.own.startVpn * 4096,
    endCode: layout.own.endVpn * 4096,
    vmas: [
      {
        start: layout.own.startVpn,
        end: layout.own.endVpn,
        // Its pages are all there from the start, so mlockall() has nothing to bring in.
        flags: rw | VM_EXEC | VM_NOHUGEPAGE | VM_IO,
      },
      { start: layout.stackStartVpn, end: layout.stackEndVpn, flags: rw | VM_GROWSDOWN },
    ],
  };
}

/** The first task; execve has touched the top page of its stack. */
export function spawnFirst(kernel: Kernel, layout: ProgramLayout, caps?: number): TaskRow {
  const given = caps === undefined ? {} : { caps };
  const task = kernel.spawn({ layout: kernelLayout(layout), ...given });
  const top = layout.stackEndVpn - 1;
  access(kernel.m, task, top, ACCESS_WRITE);
  storeContent(kernel.m, task, top, 1);
  kernel.state.personality.set(kernel.m.task.tgid[task]!, ADDR_NO_RANDOMIZE);
  kernel.m.task.minflt[task] = 0;
  kernel.m.task.majflt[task] = 0;
  return task;
}
