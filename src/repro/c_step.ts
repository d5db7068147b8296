/** The statements of one step: what does it, and what checks what came of it. */
import { type U64, word } from '../base/index.ts';
import {
  callClass,
  constantNames,
  createsTask,
  findConstant,
  type Step,
} from '../scenario/index.ts';
import { REFUSED } from '../scenario/syscalls.ts';
import { callText, cloneFlags, fixedRange } from './c_call.ts';
import {
  addressText,
  BRK_PAGES,
  cExpr,
  cString,
  MODEL_BRK_VPN,
  NotInC,
  sizeText,
} from './c_expr.ts';
import { cName } from './c_names.ts';
import type { RecordedStep } from './record.ts';
import type { Scope } from './scope.ts';

/** Results that are numbers of processes or segments: chance, as far as a program is concerned. */
const PIDS = new Set([
  ...['getpid', 'gettid', 'getppid', 'fork', 'clone', 'clone3', 'wait4', 'waitpid', 'setsid'],
  ...['set_tid_address'],
]);
const CHANCE = new Set(['shmget', 'pkey_alloc', 'userfaultfd']);
const ADDRESSES = new Set(['mmap', 'mremap', 'shmat', 'brk']);
/** Faults of these are partly of this program's own memory. */
const OWN_FAULTS = new Set(['mlockall', 'munlockall']);

export interface StepScope {
  readonly scope: Scope;
  readonly firstTask: string;
  task(name: string): string;
  /** Number of the slot that a new task gets. */
  newTask(name: string): number;
  /** The name of the task that has this process number on the model. */
  taskOfPid(pid: number): string | undefined;
}

function sys(value: U64, name: string): string {
  if (ADDRESSES.has(name)) return addressText(value);
  return value.hi > 0x7fffffff ? `-${word.toDecimal(word.neg(value))}` : sizeText(value);
}

/** What brings the step about. */
export function doText(step: Step, seen: RecordedStep, names: StepScope): string[] {
  const { scope } = names;
  const { op } = step;
  const task = names.task(step.task);
  switch (op.kind) {
    case 'access': {
      const range = `${cExpr(op.address, scope)}, ${op.length === undefined ? '1' : cExpr(op.length, scope)}`;
      if (op.access === 'read') return [`load(${task}, ${range});`];
      if (op.access === 'exec') return [`execute(${task}, ${range});`];
      const byte = op.value === undefined ? undefined : cExpr(op.value, scope);
      return [`store(${task}, ${range}, ${byte ?? seen.storedByte}, ${seen.firstNumber});`];
    }
    case 'echo': {
      const path = pathText(op.path, step.task, names);
      const due = seen.outcome.errno === undefined ? '0' : errorText(seen.outcome.errno, scope);
      return [`setting(${path}, ${cString(op.value)}, ${due});`];
    }
    case 'call':
      return callLines(step, op.name, seen, names);
    default:
      return [];
  }
}

/** `/proc/child/clear_refs` has a number where the scenario has a name. */
function pathText(path: string, self: string, names: StepScope): string {
  const match = /^\/proc\/([^/]+)\/(.*)$/.exec(path);
  const owner = match?.[1] === 'self' ? self : match?.[1];
  if (match === null || owner === undefined || !names.scope.tasks.has(owner || names.firstTask)) {
    const thp = '/sys/kernel/mm/transparent_hugepage/';
    return path.startsWith(thp) ? `THP ${cString(path.slice(thp.length))}` : cString(path);
  }
  return `proc_path(${names.task(owner)}, ${cString(match[2]!)})`;
}

export function errorText(errno: number, scope: Scope): string {
  const name = constantNames('E', word.fromNumber(errno)).find((n) => /^E[A-Z0-9]+$/.test(n));
  if (name === undefined) return String(errno);
  scope.useConstant(name, findConstant(name)!);
  return name;
}

function callLines(step: Step, name: string, seen: RecordedStep, names: StepScope): string[] {
  const { scope } = names;
  const task = names.task(step.task);
  const { op } = step;
  if (op.kind !== 'call') return [];
  const refused = REFUSED.get(name);
  if (refused !== undefined) throw new NotInC(`${name}() is left out: ${refused}`);
  if (name.startsWith('exec')) throw new NotInC(`${name}() would replace this program`);
  if (callClass(name) === 'file') {
    for (const arg of op.args) {
      if (arg.value.kind !== 'string' || name === 'memfd_create') continue;
      scope.usesFiles = true;
      if (/^\/(tmp|var\/tmp|home|root)\//.test(arg.value.value)) scope.usesDisk = true;
    }
  }
  if (name === 'shmget' || name === 'mount') scope.usesFiles = true;
  if (name === 'brk') scope.usesBrk = true;
  if (createsTask(name)) {
    const flags = cloneFlags(step, scope);
    const child = step.bind ?? '';
    const slot = names.newTask(child);
    const text = `spawn(${task}, ${slot}, ${cString(child || `task ${slot}`)}, ${flags});`;
    return [child === '' ? text : `${cName(child)} = ${text}`];
  }
  const lines: string[] = [];
  const range = fixedRange(name, op.args, scope);
  if (range !== undefined && seen.outcome.errno === undefined) {
    lines.push(`not_ours(${range[0]}, ${range[1]});`);
  }
  const text = callText(task, name, op.args, scope);
  if (step.bind !== undefined) scope.values.add(step.bind);
  lines.push(step.bind === undefined ? `${text};` : `${cName(step.bind)} = ${text};`);
  return lines;
}

/** What came back. */
export function outcomeText(step: Step, seen: RecordedStep, names: StepScope): string[] {
  const { op } = step;
  const { outcome } = seen;
  const { scope } = names;
  if (op.kind !== 'access' && op.kind !== 'call') return [];
  if (outcome.none === true) {
    return [outcome.note === undefined ? 'does_not_return();' : 'sleeps();'];
  }
  if (outcome.stuck === true || outcome.note?.startsWith('waits') === true) return ['sleeps();'];
  const lines: string[] = [];
  if (outcome.signal !== undefined) {
    const { name, code, address } = outcome.signal;
    const at = offsetAddress(address, scope);
    const of = name === 'SIGSEGV' ? 'SEGV' : code === 'AR' ? 'BUS_MCEERR' : 'BUS';
    lines.push(`signals(${name}, ${of}_${code}, ${at});`);
  } else if (op.kind === 'access') {
    lines.push(loadText(step, seen));
  } else {
    lines.push(resultText(op.name, outcome.errno, outcome.value, names));
  }
  if (op.kind === 'access' || !OWN_FAULTS.has(op.name)) {
    lines.push(`faults(${outcome.minflt}, ${outcome.majflt});`);
  }
  return lines;
}

function offsetAddress(address: U64, scope: Scope): string {
  const offset = word.offsetOf(address);
  const page = scope.address(word.pageOf(address));
  return offset === 0 ? page : `${page} + ${offset}`;
}

function loadText(step: Step, seen: RecordedStep): string {
  const { op } = step;
  if (op.kind !== 'access' || op.access !== 'read' || seen.load === undefined)
    return 'no_signal();';
  const { number, byte } = seen.load;
  if (number === undefined) return `loads_byte(${byte});`;
  return `loads(${number}, ${byte ?? -1});`;
}

function resultText(
  name: string,
  errno: number | undefined,
  value: U64 | undefined,
  names: StepScope,
): string {
  const { scope } = names;
  if (errno !== undefined) return `fails(${errorText(errno, scope)});`;
  if (value === undefined || CHANCE.has(name)) return 'succeeds();';
  if (PIDS.has(name)) {
    const task = names.taskOfPid(word.toNumber(value));
    if (task === undefined || createsTask(name)) return 'succeeds();';
    return scope.isTask(task) ? `returns(pid(${names.task(task)}));` : 'succeeds();';
  }
  if (name === 'brk' || ADDRESSES.has(name)) {
    const vpn = word.pageOf(value);
    if (vpn >= MODEL_BRK_VPN && vpn < MODEL_BRK_VPN + BRK_PAGES) scope.usesBrk = true;
  }
  return `returns(${sys(value, name)});`;
}
