/**
 * A proposed change as a release: a kernel that we model, with a finish_fault() of somebody else's,
 * or other data. What it returns is looked at: a change that is no change must not get a verdict.
 */
import type { Machine } from '../mm/mm_types.ts';
import { findKernel } from '../mm/release.ts';
import type { FinishFault, Release } from '../mm/release_types.ts';
import type { Vmf } from '../mm/vmf.ts';
import {
  VM_FAULT_COMPLETED,
  VM_FAULT_DONE_COW,
  VM_FAULT_ERROR,
  VM_FAULT_FALLBACK,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_RETRY,
} from '../mm/vmf.ts';

const KNOWN =
  VM_FAULT_ERROR |
  VM_FAULT_MAJOR |
  VM_FAULT_NOPAGE |
  VM_FAULT_LOCKED |
  VM_FAULT_RETRY |
  VM_FAULT_FALLBACK |
  VM_FAULT_DONE_COW |
  VM_FAULT_COMPLETED;

/** The variant is wrong as a program: no verdict on it as a change. */
export class VariantError extends Error {
  override readonly name = 'VariantError';
}

function valueWords(value: unknown): string {
  return typeof value === 'number' ? String(value) : value === null ? 'null' : typeof value;
}

/** Calls the variant's strategy; an exception or a result that is none is its author's mistake. */
function guarded(strategy: (m: Machine, vmf: Vmf) => unknown): FinishFault {
  return (m, vmf) => {
    let ret: unknown;
    try {
      ret = strategy(m, vmf);
    } catch (error) {
      const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new VariantError(`finishFault() throws: ${what}`);
    }
    if (typeof ret !== 'number' || !Number.isInteger(ret) || (ret & ~KNOWN) !== 0) {
      throw new VariantError(
        `finishFault() returns ${valueWords(ret)}; expected 0 or VM_FAULT_* bits`,
      );
    }
    return ret;
  };
}

/** Fields of a release that a variant may set: all data, and finishFault. */
const FIXED = new Set(['name', 'title', 'source', 'isVariant', 'finishFault']);

function dataOf(base: Release, given: unknown): Partial<Release> {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null) {
    throw new VariantError('`release` must be an object of fields of a release');
  }
  for (const [key, value] of Object.entries(given)) {
    const old = base[key as keyof Release];
    if (FIXED.has(key) || old === undefined) {
      throw new VariantError(`\`release\` has a field '${key}', which no variant sets`);
    }
    if (typeof value !== typeof old) {
      throw new VariantError(
        `\`release.${key}\` is a ${typeof value}; expected a ${typeof old}, as in ${base.name}`,
      );
    }
  }
  return given as Partial<Release>;
}

/**
 * The release that a variant's module describes by what it exports:
 *
 *   finishFault(m, vmf)  the strategy        base     name of the kernel it changes, else `base`
 *   release              other fields        title    one line for the report
 */
export function variantRelease(
  name: string,
  exported: Readonly<Record<string, unknown>>,
  fallback: string,
): Release {
  const baseName = exported['base'] ?? fallback;
  const base = typeof baseName === 'string' ? findKernel(baseName) : undefined;
  if (base === undefined) throw new VariantError(`no kernel '${String(baseName)}' is modelled`);
  const { finishFault, title } = exported;
  if (finishFault === undefined && exported['release'] === undefined) {
    throw new VariantError('it exports neither `finishFault` nor `release`');
  }
  if (finishFault !== undefined && typeof finishFault !== 'function') {
    throw new VariantError(`\`finishFault\` is a ${typeof finishFault}; expected a function`);
  }
  return {
    ...base,
    ...dataOf(base, exported['release']),
    name,
    title: typeof title === 'string' ? title : `${base.name} with ${name}`,
    source: name,
    isVariant: true,
    ...(finishFault === undefined
      ? {}
      : { finishFault: guarded(finishFault as (m: Machine, vmf: Vmf) => unknown) }),
  };
}
