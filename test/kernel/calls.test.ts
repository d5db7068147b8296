/**
 * A list of calls with the results that a real 6.18 gave (golden/calls.c, golden/calls.txt), made on
 * the model in the same order: descriptors, seals, sizes, limits, SysV segments, userfaultfd.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERRNO, type U64, word } from '../../src/base/index.ts';
import type { StructValue, Value } from '../../src/kernel/index.ts';
import { CAP_ALL, CAP_SYS_RESOURCE } from '../../src/mm/fs_types.ts';
import { Driver } from './driver.ts';

const list = readFileSync(new URL('./golden/calls.txt', import.meta.url), 'utf8');

class Interpreter {
  readonly driver = new Driver();
  readonly names = new Map<string, number>();

  number(text: string): U64 {
    const name = this.names.get(text);
    if (name !== undefined) return word.fromNumber(name);
    const plus = text.indexOf('+', 1);
    if (plus > 0)
      return word.add(this.number(text.slice(0, plus)), this.number(text.slice(plus + 1)));
    const unit = { K: 1024, M: 1048576, G: 1073741824 }[text.at(-1)!] ?? 1;
    const digits = unit === 1 ? text : text.slice(0, -1);
    if (digits.startsWith('0x')) return word.parseDigits(digits.slice(2), 16)!;
    const octal = /^0[0-7]+$/.test(digits);
    return word.fromNumber((octal ? Number.parseInt(digits, 8) : Number(digits)) * unit);
  }

  value(text: string): Value {
    if (text.startsWith('"')) return text.slice(1, -1);
    if (!text.startsWith('{')) return this.number(text);
    const fields: Record<string, Value> = {};
    text
      .slice(1, -1)
      .split(',')
      .forEach((item, i) => {
        fields[String(i)] = this.number(item);
      });
    return fields as StructValue;
  }

  /** The ioctl behind `uffd_*` with its argument as strace would show it. */
  ioctl(name: string, args: readonly Value[]): readonly Value[] {
    const [fd, a = word.ZERO, b = word.ZERO, c = word.ZERO, d = word.ZERO] = args;
    const range = { start: a, len: b };
    const table: Record<string, [number, StructValue]> = {
      uffd_api: [0xc018aa3f, { api: a, features: b }],
      uffd_register: [0xc020aa00, { range, mode: c }],
      uffd_unregister: [0x8010aa01, range],
      uffd_copy: [0xc028aa03, { dst: a, src: b, len: c, mode: d }],
      uffd_zeropage: [0xc020aa04, { range, mode: c }],
      uffd_wp: [0xc018aa06, { range, mode: c }],
      uffd_continue: [0xc020aa07, { range, mode: c }],
    };
    const [cmd, argument] = table[name]!;
    return [fd!, word.fromNumber(cmd), argument];
  }

  access(name: string, args: readonly Value[]): number {
    const vpn = word.pageOf(args[0] as U64);
    const d = this.driver;
    const failed = d.kernel.access(d.task, vpn, name === 'touch' ? 1 : 0);
    if (failed !== 0) return failed <= 2 ? 11 : 7;
    if (name === 'peek') return d.kernel.load(d.task, vpn) + 1000;
    d.kernel.store(d.task, vpn, (args[1] as U64).lo);
    return 0;
  }

  run(line: string): string {
    const words = line.match(/"[^"]*"|\S+/g)!;
    const bound = words[1] === '=' ? words[0] : undefined;
    const [name = '', ...rest] = bound === undefined ? words : words.slice(2);
    const args = rest.map((text) => this.value(text));
    if (name === 'touch' || name === 'peek') return String(this.access(name, args));
    const ioctl = name.startsWith('uffd_');
    const call = ioctl ? 'ioctl' : name;
    const values = ioctl ? this.ioctl(name, args) : args;
    const result = this.driver.kernel.syscall(this.driver.task, call, values);
    if ('errno' in result) {
      if (bound !== undefined) this.names.set(bound, -1);
      const known = Object.entries(ERRNO).find(([, n]) => n === result.errno);
      return `-${known?.[0]}`;
    }
    if (!('value' in result)) return JSON.stringify(result);
    const number = word.toNumber(result.value);
    if (bound !== undefined) this.names.set(bound, number);
    return number > 65536 ? `0x${number.toString(16)}` : String(number);
  }
}

test('calls give what a real kernel gave', () => {
  const it = new Interpreter();
  // The list was made by a root without CAP_SYS_RESOURCE.
  const caps = CAP_ALL & ~CAP_SYS_RESOURCE;
  it.driver.task = it.driver.spawn({ name: 'caller', caps });
  const wrong: string[] = [];
  for (const line of list.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [call = '', expected = ''] = line.split(' -> ');
    const got = it.run(call);
    const id =
      /shmget/.test(call) && /^(0x)?[0-9a-f]+$/.test(expected) && /^(0x)?[0-9a-f]+$/.test(got);
    if (got !== expected && !id) wrong.push(`${call} -> ${got}, a real kernel: ${expected}`);
  }
  expect(wrong).toEqual([]);
});
