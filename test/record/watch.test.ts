/** The tree of running processes, and what the kernel counts of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { treeOf } from '../../src/record/tree.ts';
import { ProcessWatch } from '../../src/record/watch.ts';

const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A shell that waits for a line, its child, and the child's `sleep`, which ends both. */
async function family(seconds: number) {
  const script = `sh -c 'sleep ${seconds}; true' & wait; read line; true`;
  const shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'inherit'] });
  for (;;) {
    const pids = treeOf(shell.pid!);
    if (pids.length === 3 && nameOf(pids[2]!) === 'sleep') {
      return { shell, pids };
    }
    await pause();
  }
}

it('a process comes first, then its children and theirs', async () => {
  const { shell, pids } = await family(60);
  expect(pids[0]).toBe(shell.pid);
  expect(treeOf(pids[1]!)).toEqual(pids.slice(1));
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  expect(treeOf(2 ** 22)).toEqual([2 ** 22]);
});

it('a descendant that ends is counted from the beginning on, and once', async () => {
  const { shell, pids } = await family(1);
  await pause();
  const watch = new ProcessWatch(pids);
  const faultsOf = (line: string): number => Number(line.split(' ')[3]);
  expect(faultsOf(watch.report())).toBeLessThan(30);
  while (treeOf(shell.pid!).length > 1) await pause();
  const after = faultsOf(watch.report());
  // Not the hundreds that the two took before we looked.
  expect(after).toBeGreaterThanOrEqual(0);
  expect(after).toBeLessThan(60);
  shell.stdin!.end('go\n');
  await once(shell, 'exit');
  expect(watch.report()).toBe('');
});

it('a descendant that nobody has waited for yet is counted by itself', async () => {
  // `sleep` waits for no child.
  const script = 'exec 3<&0; sh -c "read line <&3; true" & exec sleep 60';
  const parent = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'inherit'] });
  const isReady = () => treeOf(parent.pid!).length === 2 && nameOf(parent.pid!) === 'sleep';
  while (!isReady()) await pause();
  const pids = treeOf(parent.pid!);
  await pause();
  const watch = new ProcessWatch(pids);
  const before = Number(watch.report().split(' ')[3]);
  parent.stdin!.end('go\n');
  while (treeOf(parent.pid!).length > 1) await pause();
  expect(readFileSync(`/proc/${pids[1]}/stat`, 'utf8')).toContain(') Z ');
  const after = Number(watch.report().split(' ')[3]);
  expect(after).toBeGreaterThanOrEqual(before);
  expect(after).toBeLessThan(60);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});
