/** Arbitrary programs: every form of step and expression that a scenario can spell. */
import fc from 'fast-check';
import { word } from '../../src/base/index.ts';
import {
  type Arg,
  type Expectation,
  type Expected,
  type Expr,
  findCall,
  findConstant,
  type Op,
  type Operand,
  type Program,
  type Step,
} from '../../src/scenario/index.ts';

const at = { line: 0, column: 0 };
const NAMES = ['a', 'b', 'long_name_1'];
const TASKS = ['parent', 'child', ''];
const CONSTANTS = ['NULL', 'PROT_READ', 'MAP_ANONYMOUS', 'RLIM_INFINITY', 'ENOMEM', 'SIGKILL'];

const text = fc.string({ unit: 'binary', maxLength: 12 }).map((s) => s.replace(/[\ufffd]/g, ''));
const identifier = fc.stringMatching(/^[a-z][a-z_0-9]{0,6}$/);

const integer: fc.Arbitrary<Expr> = fc
  .tuple(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.constantFrom('hex', 'dec', 'neg', 'K'))
  .map(([hi, lo, style]) => {
    if (style === 'K') {
      const value = word.shl(word.u64(0, lo >>> 2), 10);
      return { kind: 'int', value, text: `${lo >>> 2}K`, at };
    }
    const value = word.u64(hi, lo);
    const spelt = style === 'hex' ? word.toHex(value) : word.toDecimal(value);
    if (style !== 'neg') return { kind: 'int', value, text: spelt, at };
    return { kind: 'int', value: word.neg(value), text: `-${spelt}`, at };
  });

const constant: fc.Arbitrary<Expr> = fc
  .constantFrom(...CONSTANTS)
  .map((name) => ({ kind: 'const', name, value: findConstant(name)!, at }));
const name: fc.Arbitrary<Expr> = fc
  .constantFrom(...NAMES)
  .map((n) => ({ kind: 'name', name: n, at }));
const string: fc.Arbitrary<Expr> = fc
  .tuple(text, fc.boolean())
  .map(([value, truncated]) => ({ kind: 'string', value, truncated, at }));
const fd: fc.Arbitrary<Expr> = fc
  .tuple(fc.constantFrom(0, 3, 1000, -100), text)
  .map(([n, path]) => ({ kind: 'fd', fd: n, path: `/${path}`, at }));

const { value: valueExpr, data: dataExpr } = fc.letrec<{ value: Expr; data: Expr }>((tie) => {
  const value = tie('value');
  const data = tie('data');
  return {
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      integer,
      constant,
      name,
      fc
        .tuple(fc.constantFrom('-', '~'), value)
        .map(([op, operand]) => ({ kind: 'unary', op, operand, at }) as Expr),
      fc
        .tuple(fc.constantFrom('+', '-', '*', '|', '&', '<<', '>>'), value, value)
        .map(([op, left, right]) => ({ kind: 'binary', op, left, right, at }) as Expr),
    ),
    data: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      value,
      string,
      fd,
      fc
        .tuple(fc.array(data, { maxLength: 3 }), fc.boolean())
        .map(([items, truncated]) => ({ kind: 'array', items, truncated, at }) as Expr),
      fc
        .tuple(
          fc.array(fc.record({ name: fc.oneof(identifier, fc.constant('')), value: data }), {
            maxLength: 3,
          }),
          fc.boolean(),
        )
        .map(([fields, truncated]) => ({ kind: 'struct', fields, truncated, at }) as Expr),
      fc
        .tuple(identifier, fc.array(data, { maxLength: 2 }))
        .map(([n, args]) => ({ kind: 'nested', name: n, args, at }) as Expr),
      value.map((arg) => ({ kind: 'nested', name: '&', args: [arg], at }) as Expr),
    ),
  };
});

const expected: fc.Arbitrary<Expected> = fc.oneof(
  integer.map((e) =>
    e.kind === 'int' ? { kind: 'value', value: e.value, text: e.text } : { kind: 'none' },
  ) as fc.Arbitrary<Expected>,
  fc.constant<Expected>({ kind: 'none' }),
  fc.constant<Expected>({ kind: 'errno', errno: 12, name: 'ENOMEM' }),
);

const call = fc
  .tuple(
    fc.constantFrom('mmap', 'mremap', 'clone', 'prctl', 'munlockall', 'close', 'getrandom'),
    fc.array(dataExpr, { minLength: 6, maxLength: 6 }),
    fc.nat(6),
    fc.option(expected, { nil: undefined }),
    fc.option(fc.constantFrom(...NAMES), { nil: undefined }),
  )
  .map(([n, values, count, result, bind]): Pick<Step, 'op' | 'expected' | 'bind'> => {
    const info = findCall(n)!;
    const length = Math.min(Math.max(count, info.min), info.max);
    const args: Arg[] = values
      .slice(0, length)
      .map((value, i) =>
        i === 1 && info.params[1] !== undefined ? { name: info.params[1], value } : { value },
      );
    return {
      op: { kind: 'call', name: n, args },
      ...(result === undefined ? {} : { expected: result }),
      ...(bind === undefined ? {} : { bind }),
    };
  });

const access = fc
  .tuple(
    fc.constantFrom('read', 'write', 'exec'),
    valueExpr,
    fc.option(valueExpr, { nil: undefined }),
    fc.option(valueExpr, { nil: undefined }),
  )
  .map(
    ([kind, address, length, value]): Pick<Step, 'op'> => ({
      op: {
        kind: 'access',
        access: kind,
        address,
        ...(length === undefined ? {} : { length }),
        ...(value === undefined || kind !== 'write' ? {} : { value }),
      } as Op,
    }),
  );

const path = text.map((t) => `/sys/${t}`);
const files: fc.Arbitrary<Pick<Step, 'op'>> = fc.oneof(
  fc.tuple(text, path).map(([value, p]) => ({ op: { kind: 'echo', value, path: p } as Op })),
  path.map((p) => ({ op: { kind: 'cat', path: p } as Op })),
);

const task = fc.constantFrom(...TASKS);
const plainPath = fc.constantFrom('/proc/child/status', '/proc/vmstat', '/sys/kernel/mm/x-1/y');
const operand: fc.Arbitrary<Operand> = fc.oneof(
  valueExpr.map((expr): Operand => ({ kind: 'expr', expr })),
  fc
    .tuple(task, fc.constantFrom('minflt', 'majflt'))
    .map(([t, which]) => ({ kind: 'faults', task: t, which }) as Operand),
  fc
    .tuple(task, fc.constantFrom('result', 'vmas', 'signal'))
    .map(([t, kind]) => ({ kind, task: t }) as Operand),
  fc
    .tuple(task, fc.constantFrom('page', 'order', 'index', 'value', 'mapcount'), valueExpr)
    .map(([t, kind, address]) => ({ kind, task: t, address }) as Operand),
  fc
    .tuple(plainPath, fc.constantFrom('', 'Rss', 'Active(anon)'))
    .map(([p, field]) => ({ kind: 'field', path: p, field }) as Operand),
  fc
    .tuple(valueExpr, fc.constantFrom('Rss', 'VmFlags'))
    .map(
      ([address, field]) =>
        ({ kind: 'smaps', path: '/proc/child/smaps', address, field }) as Operand,
    ),
);

const compare = fc
  .tuple(operand, fc.constantFrom('==', '!=', '<', '<=', '>', '>='), operand, text, fc.boolean())
  .map(([left, op, right, wordText, useWord]): Expectation => {
    const file = left.kind === 'field' || left.kind === 'smaps';
    const word = useWord && file ? { kind: 'word', text: wordText } : right;
    const ofSignal = { kind: 'word', text: useWord ? 'SIGSEGV/MAPERR' : 'none' };
    const other = left.kind === 'signal' ? ofSignal : word;
    const unit = other.kind === 'expr' && useWord ? 'kB' : '';
    return { kind: 'compare', left, op, right: other as Operand, unit } as Expectation;
  });
const mapped = fc
  .tuple(task, valueExpr, fc.option(valueExpr, { nil: undefined }), fc.boolean())
  .map(
    ([t, address, length, isMapped]): Expectation => ({
      kind: 'mapped',
      task: t,
      address,
      mapped: isMapped,
      ...(length === undefined ? {} : { length }),
    }),
  );
const expectation = fc
  .oneof(compare, mapped)
  .map((e): Pick<Step, 'op'> => ({ op: { kind: 'expect', expectation: e } }));

const step: fc.Arbitrary<Step> = fc
  .tuple(task, fc.oneof(call, access, files, expectation))
  .map(([t, rest]) => ({
    at,
    text: '',
    // An expectation's own task would become its operands' task.
    task: rest.op.kind === 'expect' ? '' : t,
    ...rest,
  }));

const bindings: Step[] = [
  ...NAMES.map((bind) => ({ at, text: '', task: 'parent', bind, op: brk() })),
  { at, text: '', task: 'parent', bind: 'child', op: { kind: 'call', name: 'fork', args: [] } },
];

function brk(): Op {
  return {
    kind: 'call',
    name: 'brk',
    args: [{ value: { kind: 'int', value: word.ZERO, text: '0', at } }],
  };
}

const about = fc
  .array(fc.stringMatching(/^([!-~][ -~]{0,20}[!-~])?$/), { maxLength: 4 })
  .map((lines) => lines.join('\n').replace(/^\n+|\n+$/g, ''));

export const arbitraryProgram: fc.Arbitrary<Program> = fc
  .record({
    steps: fc.array(step, { maxLength: 12 }),
    about,
    kernel: fc.option(fc.constantFrom('6.18', 'shmem-mthp-v1'), { nil: undefined }),
    memory: fc.option(fc.constantFrom(4096, 1000, 2 ** 32, 3 * 2 ** 20), { nil: undefined }),
  })
  .map(({ steps, about: head, kernel, memory }) => ({
    file: 'x.fl',
    dialect: 'scenario',
    about: head,
    steps: [...bindings, ...steps],
    torn: 0,
    ...(kernel === undefined ? {} : { kernel }),
    ...(memory === undefined ? {} : { memory }),
  }));
