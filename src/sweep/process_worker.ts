/**
 * A process of a sweep (processes.ts): it reads the trace itself, and keeps its machine from job to
 * job.
 */
import { heatMap, type Trial } from '../advise/index.ts';
import { readTrace } from '../store/index.ts';
import type { Trace } from '../trace/index.ts';
import { answer, makeTrial } from './job.ts';
import type { Asked, Told } from './processes.ts';

let trace: Trace | undefined;
let trial: Trial | undefined;

async function open(path: string, kernel: string): Promise<Told> {
  const read = await readTrace(path);
  trace = read.trace;
  if (trace === undefined)
    return { kind: 'opened', head: undefined, diagnostics: read.diagnostics };
  trial = makeTrial({ trace, kernel });
  const head = { meta: trace.meta, rows: trace.events.rows };
  return { kind: 'opened', head, diagnostics: read.diagnostics };
}

async function doIt(asked: Asked): Promise<Told> {
  if (asked.kind === 'open') return await open(asked.path, asked.kernel);
  if (trace === undefined || trial === undefined) throw new Error('no trace is open');
  if (asked.kind === 'heat') return { kind: 'heat', heat: heatMap(trace) };
  return { kind: 'answer', answer: answer(trial, asked.job) };
}

process.on('message', (asked: Asked) => {
  doIt(asked).then(
    (told) => process.send?.(told),
    (error: Error) =>
      process.send?.({ kind: 'bug', message: error.message, stack: error.stack ?? '' } as Told),
  );
});
// Nobody waits for an answer any more.
process.on('disconnect', () => process.exit(0));
