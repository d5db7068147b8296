/** `kernels`: what can be chosen with --kernel, where that is written, and which rules differ. */
import type { KernelEntry } from '../lab/index.ts';
import { table } from './table.ts';
import { BLANK, type Line, paragraph, type Span, span, wrapText } from './text.ts';

function entries(kernels: readonly KernelEntry[], width: number): Line[] {
  const names = Math.max(...kernels.map((kernel) => kernel.name.length));
  const pad = ' '.repeat(names + 2);
  const lines: Line[] = [];
  for (const { name, title, source, default: standard } of kernels) {
    const mark = standard ? ' (the default)' : '';
    lines.push(...paragraph([span(name.padEnd(names + 2), 'head')], title + mark, 'plain', width));
    if (source !== '') lines.push(...paragraph([span(pad)], source, 'dim', width));
  }
  return lines;
}

/** A column a kernel, numbered where names would be wider than the marks below them. */
function rules(kernels: readonly KernelEntry[], width: number): Line[] {
  const standard = kernels.find((kernel) => kernel.default);
  const others = kernels.filter((kernel) => kernel !== standard);
  const found = [...new Set(others.flatMap((kernel) => kernel.differs))];
  if (found.length === 0 || standard === undefined) return [];
  const heads = others.map((kernel) => wrapText(kernel.name.replaceAll('-', '- '), 9));
  const height = Math.max(...heads.map((lines) => lines.length));
  const title = `differs from ${standard.name} in:`;
  const rows: Line[][] = [];
  for (let k = 0; k < height; k++) {
    const cells = heads.map((lines): Line => {
      const text = lines[k - (height - lines.length)] ?? '';
      return text === '' ? BLANK : [span(text.replaceAll('- ', '-'), 'head')];
    });
    rows.push([k === height - 1 ? [span(title, 'strong')] : BLANK, ...cells]);
  }
  for (const rule of found) {
    const marks = others.map((kernel): Line => {
      const mark: Span = kernel.differs.includes(rule) ? span('×') : span('·', 'dim');
      return [mark];
    });
    rows.push([[span(rule)], ...marks]);
  }
  return table([{ elastic: true }, ...others.map(() => ({}))], rows, width);
}

export function kernelsView(kernels: readonly KernelEntry[], width: number): Line[] {
  const below = rules(kernels, width);
  return [...entries(kernels, width), ...(below.length > 0 ? [BLANK, ...below] : [])];
}
