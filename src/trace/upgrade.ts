/**
 * Older versions of the schema, brought up step by step: `UPGRADERS[n]` makes version n + 1 of
 * a trace of version n, in place. They are kept for ever.
 */
import type { Events } from './events.ts';
import { SCHEMA_VERSION, type TraceMeta } from './meta.ts';

export type Upgrader = (meta: Record<string, unknown>, events: Events) => void;

const UPGRADERS: Readonly<Record<number, Upgrader>> = {};

/** The first version that this program can still read. */
export const SCHEMA_OLDEST = 1;

/** False when there is no way from that version to ours. */
export function upgradeTrace(
  from: number,
  meta: Record<string, unknown>,
  events: Events,
  upgraders = UPGRADERS,
  to = SCHEMA_VERSION,
): boolean {
  for (let version = from; version < to; version++) {
    const upgrader = upgraders[version];
    if (upgrader === undefined) return false;
    upgrader(meta, events);
    meta['schema'] = version + 1;
  }
  return from <= to;
}

/** The metadata as this version has it: what is missing or of another type is as if unknown. */
export function metaFrom(found: Record<string, unknown>, standard: TraceMeta): TraceMeta {
  const merged: Record<string, unknown> = { ...standard };
  for (const [key, fallback] of Object.entries(standard)) {
    const value = found[key];
    if (value === undefined) continue;
    const isSame = Array.isArray(fallback)
      ? Array.isArray(value)
      : fallback === null
        ? typeof value === 'object'
        : typeof value === typeof fallback && value !== null && !Array.isArray(value);
    if (!isSame) continue;
    const isRecord = typeof fallback === 'object' && fallback !== null && !Array.isArray(fallback);
    merged[key] = isRecord ? { ...fallback, ...(value as object) } : value;
  }
  return merged as unknown as TraceMeta;
}
