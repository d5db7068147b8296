/** `run --on host` and `verify` of the same file: what the user sees, and the exit code. */
import { expect, it } from 'vitest';
import { faultline, fileIn, withFolder } from '../cli/faultline.ts';
import { describeHost } from './support.ts';

const MAP = 'a = mmap(1M, 16K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)';
const HEAD = `# A page.\n#\n# Of memory.\n${MAP} = 0x100000\nwrite a\nexpect minflt == 1\n`;
const NONE = '/sys/kernel/mm/transparent_hugepage/hugepages-3kB/enabled';

interface Told {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function onHost(text: string): { run: Told; verify: Told } {
  return withFolder((folder) => {
    const file = fileIn(folder, 'x.fl', text);
    const run = faultline(['run', '--on', 'host', file]);
    return { run, verify: faultline(['verify', file]) };
  });
}

// The command opens the kernel itself, one after the other: this only tells whether it can.
await describeHost('run --on host', (host) => {
  it('holds, and fails, as the kernel answers', async () => {
    await host.close();
    const good = onHost(HEAD);
    expect(good.run.stderr).toBe('');
    expect(good.run.code).toBe(0);
    expect(good.verify.code).toBe(0);
    const bad = onHost(`${HEAD}expect minflt == 2\n`);
    expect(bad.run.code).toBe(1);
    expect(bad.run.stdout).toContain('expected 2; found 1');
    // Nobody expects anything in a comparison.
    expect(bad.verify.code).toBe(0);
  });

  it('says what cannot be asked in the same words, and that is no failure', () => {
    const { run, verify } = onHost(`${HEAD}echo always > ${NONE}\nexpect order a == 4\n`);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('cannot be asked: there is no');
    expect(run.stdout).toContain('2 matched, 0 mismatched');
    expect(run.stdout).not.toContain('✓ 5 steps');
    expect(run.stderr).not.toContain('error');
    // The model has no such file either: an answer like any other.
    expect(verify.code).toBe(0);
    expect(verify.stdout).toContain('x.fl: agrees');
    expect(verify.stderr).toBe('');
  });

  it('has what failed before it fail', () => {
    const { run } = onHost(`${HEAD}expect minflt == 2\necho always > ${NONE}\n`);
    expect(run.code).toBe(1);
  });

  it('cannot do what its executor does not do', () => {
    const { run, verify } = onHost(`${HEAD}swapoff("/x")\n`);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('[HOST002]');
    expect(verify.code).toBe(2);
    expect(verify.stdout).toContain('could not be compared');
  });
});
