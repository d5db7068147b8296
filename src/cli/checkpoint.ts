/**
 * The state of a check in a file: V8's serialisation of typed arrays behind a line of text that says
 * whose it is. A check goes on only from a file of its own kernel, bounds and laws. The file is
 * replaced whole, so that an interruption leaves the old one.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { CheckOptions, CheckState } from '../explore/index.ts';

const MAGIC = 'faultline check 3';

/** What must be the same for a check to go on. */
export function identityOf(kernel: string, code: string, options: CheckOptions): string {
  const { bounds, laws, aftermath } = options;
  return `${MAGIC} ${JSON.stringify({ kernel, code, bounds, laws, aftermath })}\n`;
}

export class CheckpointError extends Error {}

/** The state in a file; undefined where there is no file yet. */
export function loadCheckpoint(path: string, identity: string): CheckState | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const end = bytes.indexOf(10);
  const head = bytes.subarray(0, end + 1).toString('utf8');
  if (!head.startsWith(MAGIC)) throw new CheckpointError('this is no checkpoint of `check`');
  if (head !== identity) {
    throw new CheckpointError('this checkpoint is of another kernel, variant, bounds or laws');
  }
  try {
    return deserialize(bytes.subarray(end + 1)) as CheckState;
  } catch {
    throw new CheckpointError('this checkpoint is torn');
  }
}

export function saveCheckpoint(path: string, identity: string, state: CheckState): void {
  const next = `${path}.new`;
  writeFileSync(next, Buffer.concat([Buffer.from(identity), serialize(state)]));
  renameSync(next, path);
}
