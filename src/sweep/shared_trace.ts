/**
 * A trace that several threads read. Its columns lie in shared memory, and are not copied; one that
 * comes in parts is opened by each thread.
 */
import { joinParts, type PartedTrace, partedOf } from '../store/index.ts';
import { EVENT_COLUMNS, type Events, type Trace } from '../trace/index.ts';

/** What goes to a worker: shared buffers by reference, the rest as a copy. */
export type SharedTrace = Trace | PartedTrace;

export function shareTrace(trace: Trace): SharedTrace {
  const parted = partedOf(trace);
  if (parted !== undefined) return parted;
  // Read into shared memory already.
  if ((trace.events.vpn.buffer as unknown) instanceof SharedArrayBuffer) return trace;
  const events: Record<string, unknown> = { rows: trace.events.rows };
  for (const name of EVENT_COLUMNS) {
    const column = trace.events[name];
    const Kind = column.constructor as new (buffer: SharedArrayBuffer) => typeof column;
    const shared = new Kind(new SharedArrayBuffer(column.byteLength));
    shared.set(column);
    events[name] = shared;
  }
  return { meta: trace.meta, names: trace.names, events: events as unknown as Events };
}

/** In the thread. */
export function receiveTrace(shared: SharedTrace): Trace {
  return 'events' in shared ? shared : joinParts(shared);
}
