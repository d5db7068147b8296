/** A trace as text for people: a line an event, numbers of flags spelt out where they have names. */
import { type Events, OP_NAMES, OP_TOUCH } from '../../src/trace/index.ts';

const hex = (vpn: number): string => (vpn === 0 ? '0' : `0x${vpn.toString(16)}000`);

export function dump(events: Events, names: readonly string[]): string {
  const lines: string[] = [];
  for (let row = 0; row < events.rows; row++) {
    const op = events.op[row]!;
    const parts = [
      `${(events.time[row]! / 1000).toFixed(3).padStart(10)} us`,
      `${events.pid[row]}/${events.tid[row]}`,
      OP_NAMES[op]!.padEnd(9),
    ];
    const offset = events.offset[row]!;
    if (op === OP_TOUCH) {
      const access = events.arg[row]!;
      const kinds = ['r', 'w', 'x'].map((letter, bit) => ((access >> bit) & 1 ? letter : '-'));
      const how = events.arg2[row]!;
      parts.push(kinds.join(''), `${hex(events.vpn[row]!)}+${offset}`, `${events.length[row]}`);
      if ((how & 1) !== 0) parts.push('fault');
      if ((how & 2) !== 0) parts.push('by-kernel');
      if ((how & 4) !== 0) parts.push('protected');
    } else {
      parts.push(`at ${hex(events.vpn[row]!)}${offset > 0 ? `+${offset}` : ''}`);
      parts.push(`bytes ${events.length[row]}`, `arg ${events.arg[row]} ${events.arg2[row]}`);
      if (events.pgoff[row] !== 0) parts.push(`pgoff ${events.pgoff[row]}`);
      const name = names[events.name[row]!]!;
      if (name !== '') parts.push(name);
      const result = events.result[row]!;
      parts.push(`= ${result > 100000 ? hex(result) : result}`);
    }
    lines.push(parts.join(' '));
  }
  return `${lines.join('\n')}\n`;
}
