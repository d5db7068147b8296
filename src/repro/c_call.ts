/**
 * A system call in C. What its arguments point to (strings, structs, room for answers) is put into
 * the task's part of the shared memory, which lies at the same address in every task.
 */
import { word } from '../base/index.ts';
import { type Arg, constantValue, type Expr, findCall, type Step } from '../scenario/index.ts';
import {
  COUNTED,
  callNumber,
  DEFAULTS,
  flatten,
  inOrder,
  isNumber,
  NARROW,
  OUTPUTS,
} from '../scenario/syscalls.ts';
import { cExpr, constantNumber, cString, NotInC } from './c_expr.ts';
import type { Scope } from './scope.ts';

const STRUCT_ROOM = 64;
const BYTES_MAX = 1 << 20;
/** Calls from here on have the same number everywhere, and older headers may lack it. */
const FIRST_NEW_CALL = 424;
/** SYS_ names that differ from the call's. */
const SYS_NAMES: Readonly<Record<string, string>> = { waitpid: 'wait4', umount: 'umount2' };
const RLIMIT_DATA = 2;
const RLIMIT_AS = 9;

export function sysName(name: string, scope: Scope): string {
  const number = callNumber(name);
  if (number === undefined) throw new NotInC(`the number of ${name} is not known`);
  if (name.startsWith('syscall_')) return String(number);
  const sys = `SYS_${SYS_NAMES[name] ?? name}`;
  if (number >= FIRST_NEW_CALL) scope.useConstant(sys, word.fromNumber(number));
  return sys;
}

/** A limit of a process counts this program's own mappings too. */
function limitOf(name: string, placed: readonly (Expr | undefined)[]): string {
  const which = constantNumber(placed[name === 'prlimit64' ? 1 : 0]);
  if (name !== 'prlimit64' && name !== 'setrlimit') return '';
  if (which === RLIMIT_AS) return ' + own_size()';
  return which === RLIMIT_DATA ? ' + own_data' : '';
}

function wordsText(
  task: string,
  expr: Expr,
  width: number,
  limit: string,
  scope: Scope,
): { readonly text: string; readonly size: number } {
  const fields = flatten(expr);
  let size = Math.max(fields.length * width, STRUCT_ROOM);
  const texts = fields.map((field) => {
    if (field.kind === 'string') {
      size += field.value.length * 4 + 16;
      return `put_text(${task}, ${cString(field.value)}, 0)`;
    }
    const text = cExpr(field, scope);
    const value = constantValue(field);
    return limit === '' || (value !== undefined && value.hi === 0xffffffff) ? text : text + limit;
  });
  const list = texts.length === 0 ? '0' : texts.join(', ');
  return { text: `PUT(${task}, ${width}, ${list})`, size };
}

function sizeOf(params: readonly string[], placed: readonly (Expr | undefined)[], key: string) {
  const rule = OUTPUTS.get(key);
  if (rule === undefined || typeof rule === 'number') return rule ?? 256;
  const value = constantNumber(placed[params.indexOf(rule.count)]);
  return value === undefined ? 4096 : Math.ceil(value * rule.times) + 8;
}

/** `call(child, SYS_mremap, a, 16 * K, …)`. */
export function callText(task: string, name: string, args: readonly Arg[], scope: Scope): string {
  const call = findCall(name);
  const params = call !== undefined && call.params.length > 0 ? call.params : [...'abcdef'];
  const placed = inOrder({ ...(call ?? { name, class: 'memory', min: 0, max: 6 }), params }, args);
  const limit = limitOf(name, placed);
  let used = 0;
  const texts = params.slice(0, 6).map((param, i) => {
    const key = `${name}.${param}`;
    const given = placed[i] ?? DEFAULTS.get(key);
    if (given === undefined && !(OUTPUTS.has(key) && param === 'vec')) return '0';
    if (given === undefined || (OUTPUTS.has(key) && !isNumber(given)) || given.kind === 'nested') {
      const size = given?.kind === 'nested' ? 256 : sizeOf(params, placed, key);
      used += size;
      return `put_room(${task}, ${size})`;
    }
    if (given.kind === 'string') {
      const least = constantNumber(placed[params.indexOf(COUNTED.get(key) ?? '')]) ?? 0;
      used += Math.max(given.value.length * 4 + 1, least);
      return `put_text(${task}, ${cString(given.value)}, ${least})`;
    }
    if (given.kind === 'struct' || given.kind === 'array') {
      const { text, size } = wordsText(task, given, NARROW.get(key) ?? 8, limit, scope);
      used += size;
      return text;
    }
    return cExpr(given, scope);
  });
  if (used > BYTES_MAX) throw new NotInC(`the arguments need ${used} bytes`);
  scope.needBytes(used);
  while (texts.at(-1) === '0') texts.pop();
  return `call(${[task, sysName(name, scope), ...texts].join(', ')})`;
}

const MAP_FIXED = 0x10;
const MREMAP_FIXED = 2;

/** Range that a call takes whatever lies there. */
export function fixedRange(
  name: string,
  args: readonly Arg[],
  scope: Scope,
): readonly [string, string] | undefined {
  const value = (i: number): number => constantNumber(args[i]?.value) ?? 0;
  const text = (i: number): string => cExpr(args[i]!.value, scope);
  if (name === 'mmap' && (value(3) & MAP_FIXED) !== 0) return [text(0), text(1)];
  if (name === 'mremap' && (value(3) & MREMAP_FIXED) !== 0 && args.length > 4) {
    return [text(4), text(2)];
  }
  return undefined;
}

const SIGCHLD = 17;
const CLONE_VFORK = 0x4000;

/** Flags of the clone(2) that a step means; its stack is the reproducer's own. */
export function cloneFlags(step: Step, scope: Scope): string {
  const { op } = step;
  if (op.kind !== 'call') throw new NotInC('no call');
  if (op.name === 'fork') return 'SIGCHLD';
  if (op.name === 'vfork') throw new NotInC('vfork() stops its caller');
  const args = op.args;
  let flags: Expr | undefined = args[0]?.value;
  let extra = '';
  if (op.name === 'clone3') {
    const fields = flags?.kind === 'struct' ? flags.fields : [];
    const signal = fields.find((field) => field.name === 'exit_signal')?.value;
    flags = fields.find((field) => field.name === 'flags')?.value;
    if (signal !== undefined) extra = ` | ${cExpr(signal, scope)}`;
  }
  if (flags === undefined) return extra === '' ? String(SIGCHLD) : extra.slice(3);
  if (((constantNumber(flags) ?? 0) & CLONE_VFORK) !== 0) {
    throw new NotInC('CLONE_VFORK stops its caller');
  }
  return `${cExpr(flags, scope)}${extra}`;
}
