/** `faultline worker --queue URL` */
import { cpus } from 'node:os';
import { clean } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export interface WorkerOptions extends OutputOptions {
  readonly queue: string;
  readonly jobs?: number;
}

/** Resolves at the first SIGINT or SIGTERM. */
function stopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

export async function workerCommand(options: WorkerOptions): Promise<number> {
  const out = new Output(options);
  const { startWorker } = await import('../sweep/queue_worker.ts');
  let jobs = 0;
  const speaks = options.quiet !== true && options.json !== true;
  const say = (text: string): void => {
    if (speaks) process.stdout.write(`${text}\n`);
  };
  let worker: Awaited<ReturnType<typeof startWorker>>;
  try {
    worker = await startWorker(options.queue, options.jobs ?? cpus().length, {
      done: (name, ms) => {
        jobs++;
        say(`${clean(name)}: ${ms.toFixed(0)} ms`);
      },
      trouble: (text) => process.stderr.write(`faultline: ${clean(text)}\n`),
    });
  } catch (error) {
    if ((error as Error).name !== 'QueueError') throw error;
    const message = `the queue cannot be reached: ${(error as Error).message}`;
    const found = cliError('CLI001', options.queue, message);
    out.diagnostics([found]);
    if (options.json === true) await writeJson({ jobs, diagnostics: [found] });
    return EXIT_INPUT;
  }
  say(`waiting for jobs at ${options.queue}`);
  await stopped();
  await worker.stop();
  if (options.json === true) await writeJson({ jobs, diagnostics: [] });
  return EXIT_OK;
}
