/**
 * Arguments of a call as the executor wants them: a value (code), or bytes that it puts into the
 * agent's memory: strings, structs and arrays, and room for what the call writes.
 *
 *   value: 0, code
 *   bytes: 1, size, given, the given bytes, number of patches, {offset, width, code} each
 */
import { word } from '../base/index.ts';
import { type Arg, type CallInfo, constantValue, type Expr } from '../scenario/index.ts';
import {
  COUNTED,
  DEFAULTS,
  flatten,
  inOrder,
  isNumber,
  NARROW,
  OUTPUTS,
} from '../scenario/syscalls.ts';
import { OP_ADD, OP_HERE, OP_IMM, putConstant, putExpr, type Scope } from './evaluate.ts';
import type { HostReport } from './report.ts';
import type { Words } from './words.ts';

const ARG_VALUE = 0;
const ARG_BYTES = 1;
/** Structs are followed by zeros up to this size: fields that the text leaves out. */
const STRUCT_ROOM = 64;
const ROOM_MAX = 36000;

/** Latin-1, as the parser decodes escapes to code units below 256. */
function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

function putString(out: Words, text: string, least: number): void {
  const bytes = bytesOf(text + '\0');
  out.put(ARG_BYTES);
  out.put(Math.max(bytes.length, least));
  out.put(bytes.length);
  out.putBytes(bytes);
  out.put(0);
}

function putRoom(out: Words, size: number): void {
  out.put(ARG_BYTES);
  out.put(Math.min(size, ROOM_MAX + 1));
  out.put(0);
  out.put(0);
}

/** A struct or array: words of one width; strings inside are kept behind the words. */
function putWords(out: Words, expr: Expr, width: number, scope: Scope, report: HostReport): void {
  const fields = flatten(expr);
  const texts: Uint8Array[] = [];
  let size = Math.max(fields.length * width, STRUCT_ROOM);
  const code: { offset: number; put: () => void }[] = [];
  for (const [i, field] of fields.entries()) {
    const offset = i * width;
    if (field.kind === 'string') {
      const text = bytesOf(field.value + '\0');
      const place = size;
      texts.push(text);
      size += text.length;
      code.push({ offset, put: () => putHere(out, place) });
    } else {
      code.push({ offset, put: () => putExpr(out, field, scope, report) });
    }
  }
  const bytes = new Uint8Array(texts.length === 0 ? 0 : size);
  let at = size - texts.reduce((sum, text) => sum + text.length, 0);
  for (const text of texts) {
    bytes.set(text, at);
    at += text.length;
  }
  out.put(ARG_BYTES);
  out.put(size);
  out.put(bytes.length);
  out.putBytes(bytes);
  out.put(code.length);
  for (const patch of code) {
    out.put(patch.offset);
    out.put(width);
    patch.put();
  }
}

/** Code for the address of byte `offset` of the argument itself. */
function putHere(out: Words, offset: number): void {
  const hole = out.hole();
  out.put(OP_HERE);
  out.put(OP_IMM);
  out.put64(word.fromNumber(offset));
  out.put(OP_ADD);
  out.fill(hole);
}

function sizeOf(call: CallInfo, placed: readonly (Expr | undefined)[], key: string): number {
  const rule = OUTPUTS.get(key);
  if (rule === undefined || typeof rule === 'number') return rule ?? 256;
  const count = placed[call.params.indexOf(rule.count)];
  const value = count === undefined ? undefined : constantValue(count);
  return value === undefined ? 4096 : Math.ceil(word.toNumber(value) * rule.times) + 8;
}

/** Appends the arguments of a call: their number, then each. */
export function putArguments(
  out: Words,
  call: CallInfo,
  args: readonly Arg[],
  scope: Scope,
  report: HostReport,
): void {
  const placed = inOrder(call, args);
  const count = Math.min(placed.length, 6);
  out.put(count);
  for (let i = 0; i < count; i++) {
    const key = `${call.name}.${call.params[i] ?? ''}`;
    const given = placed[i] ?? DEFAULTS.get(key);
    if (given === undefined) {
      // An answer that nobody asks for may still be obligatory for the call.
      if (OUTPUTS.has(key) && call.params[i] === 'vec') putRoom(out, sizeOf(call, placed, key));
      else {
        out.put(ARG_VALUE);
        putConstant(out, word.ZERO);
      }
    } else if (OUTPUTS.has(key) && !isNumber(given)) {
      putRoom(out, sizeOf(call, placed, key));
    } else if (given.kind === 'string') {
      const counted = placed[call.params.indexOf(COUNTED.get(key) ?? '')];
      const least = counted === undefined ? undefined : constantValue(counted);
      putString(out, given.value, least === undefined ? 0 : word.toNumber(least));
    } else if (given.kind === 'struct' || given.kind === 'array') {
      putWords(out, given, NARROW.get(key) ?? 8, scope, report);
    } else if (given.kind === 'nested') {
      putRoom(out, 256);
    } else {
      out.put(ARG_VALUE);
      putExpr(out, given, scope, report);
    }
  }
}
