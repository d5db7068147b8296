/** Threads of a check that die, or that do not answer: no verdict, and a word about which it was. */
import { describe, expect, it } from 'vitest';
import { runInThreads } from '../../src/cli/check_thread.ts';

/** Runs a check on threads that do what `code` says instead of their part. */
function outcomeOf(code: string, jobs: number, seconds = 60): Promise<unknown> {
  const text = `import { parentPort, workerData } from 'node:worker_threads';
const { number, trace } = workerData;
parentPort.on('message', () => undefined);
${code}`;
  const url = new URL(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
  const task = { kernel: '6.18', options: {} };
  return runInThreads(task, jobs, seconds, () => undefined, url);
}

describe('threads of a check', () => {
  it('that die by an exception are named', async () => {
    const run = outcomeOf(`if (number === 2) throw new Error('out of luck');`, 3);
    await expect(run).rejects.toThrow(/^thread 3 of 3 died: out of luck; the check has no verdict/);
  });

  it('that just end are named', async () => {
    await expect(outcomeOf('if (number === 1) process.exit(7);', 2)).rejects.toThrow(
      /^thread 2 of 2 died: it ended with code 7; the check has no verdict/,
    );
  });

  it('that give no sign are ended, and the program at work is that of the one that hangs', async () => {
    const hang = `if (number === 1) { new Int32Array(trace).set([3, 7, 8, 9], 1024); for (;;); }`;
    expect(await outcomeOf(hang, 2, 1)).toEqual({ silent: [7, 8, 9] });
  });

  it('are ended when the first one has reported', async () => {
    const run = outcomeOf(
      `if (number === 0) parentPort.postMessage({ kind: 'report', report: { end: 'x' } });`,
      4,
    );
    expect(await run).toEqual({ report: { end: 'x' } });
  });
});
