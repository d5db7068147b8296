/** Where a program is executed: `--on model`, `--on host`, `--on vm:IMAGE`. */
import { InvalidArgumentError } from 'commander';

export type Place =
  | { readonly kind: 'model' }
  /** The kernel of this machine. */
  | { readonly kind: 'host' }
  /** A kernel image, booted in a virtual machine. */
  | { readonly kind: 'vm'; readonly image: string };

export const MODEL: Place = { kind: 'model' };
export const HOST: Place = { kind: 'host' };

function parse(text: string, isModelToo: boolean): Place {
  if (text.startsWith('vm:') && text !== 'vm:') return { kind: 'vm', image: text.slice(3) };
  if (text === 'host') return HOST;
  if (text === 'model' && isModelToo) return MODEL;
  const others = isModelToo ? 'model, host' : 'host';
  throw new InvalidArgumentError(`expected ${others} or vm:IMAGE, as in vm:arch/x86/boot/bzImage`);
}

export function parsePlace(text: string): Place {
  return parse(text, true);
}

/** For verbs that hold the model against a kernel. */
export function parseRealPlace(text: string): Place {
  return parse(text, false);
}
