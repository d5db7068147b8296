/** Frames and contents of a mapping in the short notation of the C file (struct mapping there). */
import { PAGE_GUARD, PAGE_PRESENT, PAGE_ZERO } from '../scenario/transcript.ts';
import type { Content, Mapping } from './record.ts';

interface Run {
  readonly key: string;
  readonly first: number;
  count: number;
  readonly step: 0 | 1;
}

/** Runs of pages with the same key whose value stays (step 0) or counts up (step 1). */
class Runs {
  readonly list: Run[] = [];

  add(key: string, value: number, step: 0 | 1, count = 1): void {
    const last = this.list.at(-1);
    if (last !== undefined && last.key === key && last.step === step) {
      if (step === 0 ? last.first === value : last.first + last.count === value) {
        last.count += count;
        return;
      }
    }
    this.list.push({ key, first: value, count, step });
  }

  text(word: (run: Run) => string): string {
    return this.list.map(word).join(' ');
  }
}

/** Adds what is not mapped before page `to` of the mapping. */
function gap(runs: Runs, from: number, to: number): void {
  if (to > from) runs.add('.', 0, 0, to - from);
}

export function framesText(m: Mapping): string {
  const runs = new Runs();
  let at = m.startVpn;
  m.seen.vpn.forEach((vpn, i) => {
    gap(runs, at, vpn);
    at = vpn + 1;
    const bits = m.seen.bits[i]!;
    const folio = m.seen.folio[i]!;
    const order = m.seen.order[i]!;
    if ((bits & PAGE_PRESENT) === 0) runs.add((bits & PAGE_GUARD) !== 0 ? 'g' : 's', 0, 0);
    else if ((bits & PAGE_ZERO) !== 0) runs.add('z', 0, 0);
    else if (order === 0) runs.add('', folio, 1);
    else runs.add(`${folio}/${4 << order}K:`, m.seen.index[i]!, 1);
  });
  gap(runs, at, m.startVpn + m.pages);
  return runs.text(({ key, first, count, step }) => {
    if (step === 0) return `${key}${count}`;
    return `${key}${first}${count > 1 ? `-${first + count - 1}` : ''}`;
  });
}

function contentKey(content: Content): [string, number, 0 | 1] {
  if ('byte' in content) return ['=', content.byte, 0];
  return content.number === 0 ? ['z', 0, 0] : ['', content.number, 1];
}

export function numbersText(m: Mapping): string {
  const runs = new Runs();
  let at = m.startVpn;
  m.seen.vpn.forEach((vpn, i) => {
    if ((m.seen.bits[i]! & PAGE_PRESENT) === 0) return;
    gap(runs, at, vpn);
    at = vpn + 1;
    runs.add(...contentKey(m.contents[i]!));
  });
  gap(runs, at, m.startVpn + m.pages);
  return runs.text(({ key, first, count, step }) => {
    if (key === '=') return `=${first}${count > 1 ? `*${count}` : ''}`;
    if (step === 0) return `${key}${count}`;
    return `${first}${count > 1 ? `-${first + count - 1}` : ''}`;
  });
}
