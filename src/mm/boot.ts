/** A machine that has booted: memory free, the kernel's internal tmpfs mounted, no task yet. */
import { newRow } from '../base/index.ts';
import { FS_SHMEM } from './fs_types.ts';
import { internName, type Machine, type MachineOptions, makeMachine } from './mm_types.ts';
import { initPageAlloc } from './page_alloc.ts';

export function bootMachine(options: MachineOptions): Machine {
  const m = makeMachine(options);
  initPageAlloc(m);
  m.shmMount = newRow(m.sb);
  m.sb.kind[m.shmMount] = FS_SHMEM;
  m.sb.name[m.shmMount] = internName(m, 'tmpfs');
  return m;
}
