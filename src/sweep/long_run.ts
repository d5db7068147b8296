/** What a run of millions of events asks of V8. */
import { setFlagsFromString } from 'node:v8';

/** From here on a replay gains more than the compiler takes; at twice as many it gains a sixth. */
const LONG = 3_000_000;

/**
 * V8 inlines 920 bytes of bytecode into one function, and the fault path becomes six functions that
 * call each other. With more it becomes two: a fault takes three quarters of the time, and compiling
 * them three times as long. To be called before the events are executed; threads that start or have
 * started in this process do likewise.
 */
export function prepareFor(events: number): void {
  if (events >= LONG) setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');
}
