/** What a recording keeps of outcomes, mappings and pages: short forms, both ways. */
import { type U64, word } from '../base/index.ts';
import type {
  PagesObservation,
  SignalInfo,
  StepOutcome,
  VmaObservation,
} from '../scenario/transcript.ts';

export type Outcome = readonly [
  value: string | number | null,
  signal: readonly [name: string, code: string, address: string] | null,
  minflt: number,
  majflt: number,
  faulted: readonly number[] | null,
];

/**
 * "startVpn endVpn perms pgoff name"; where smaps was read also VmFlags, and its other lines as
 * "Rss 4 Pss 2" without those that are 0 or always the same.
 */
export type Vma = readonly [at: string, flags?: string, smaps?: string];

export function runsOf(values: readonly number[]): number[] {
  const runs: number[] = [];
  for (let i = 0; i < values.length; ) {
    let end = i + 1;
    while (end < values.length && values[end] === values[i]! + end - i) end++;
    runs.push(values[i]!, end - i);
    i = end;
  }
  return runs;
}

export function fromRuns(runs: readonly number[]): number[] {
  const values: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    for (let k = 0; k < runs[i + 1]!; k++) values.push(runs[i]! + k);
  }
  return values;
}

export function encodeOutcome(o: StepOutcome): Outcome {
  const value =
    o.errno !== undefined ? o.errno : o.value === undefined ? null : word.toHex(o.value);
  const s = o.signal;
  return [
    value,
    s === undefined ? null : [s.name, s.code, word.toHex(s.address)],
    o.minflt,
    o.majflt,
    o.faultedVpns === undefined ? null : runsOf(o.faultedVpns),
  ];
}

export function decodeOutcome([value, signal, minflt, majflt, runs]: Outcome): StepOutcome {
  const found: SignalInfo | undefined =
    signal === null ? undefined : { name: signal[0], code: signal[1], address: hexWord(signal[2]) };
  return {
    ...(typeof value === 'number' ? { errno: value } : {}),
    ...(typeof value === 'string' ? { value: hexWord(value) } : {}),
    ...(found === undefined ? {} : { signal: found }),
    minflt,
    majflt,
    ...(runs === null ? {} : { faultedVpns: fromRuns(runs) }),
  };
}

export function hexWord(text: string): U64 {
  const digits = text.slice(2).padStart(16, '0');
  return word.u64(Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16));
}

/** Whether the pages of a run are one folio's, or each the first of the next folio. */
const SAME_FOLIO = 0;
const NEXT_FOLIO = 1;

export function pageRuns(p: PagesObservation): number[][] {
  const runs: number[][] = [];
  /** Equals no page: the first begins a run. */
  let last = [-1, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < p.vpn.length; i++) {
    const row = [p.vpn[i]!, 1, p.bits[i]!, p.folio[i]!, p.index[i]!, p.order[i]!, p.mapcount[i]!];
    const n = last[1]!;
    const alike =
      row[0] === last[0]! + n && [2, 5, 6].every((k) => row[k] === last[k]) && runs.length > 0;
    const sameFolio = row[3] === last[3] && row[4] === last[4]! + (row[3] === 0 ? 0 : n);
    const nextFolio = row[3] === last[3]! + n && row[4] === last[4];
    const kind = last[7];
    if (alike && sameFolio && kind !== NEXT_FOLIO) {
      last[1] = n + 1;
      last[7] = SAME_FOLIO;
    } else if (alike && nextFolio && kind !== SAME_FOLIO) {
      last[1] = n + 1;
      last[7] = NEXT_FOLIO;
    } else {
      runs.push(row);
      last = row;
    }
  }
  return runs;
}

export function pagesOf(runs: readonly (readonly number[])[]): PagesObservation {
  const p: PagesObservation = { vpn: [], bits: [], folio: [], index: [], order: [], mapcount: [] };
  for (const [vpn, n, bits, folio, index, order, mapcount, kind] of runs) {
    for (let i = 0; i < n!; i++) {
      const next = kind === NEXT_FOLIO;
      p.vpn.push(vpn! + i);
      p.bits.push(bits!);
      p.folio.push(next ? folio! + i : folio!);
      p.index.push(folio === 0 || next ? index! : index! + i);
      p.order.push(order!);
      p.mapcount.push(mapcount!);
    }
  }
  return p;
}

/** Lines of smaps that a mapping has anyway. */
function usual(vma: VmaObservation): Readonly<Record<string, number>> {
  return { Size: (vma.endVpn - vma.startVpn) * 4, KernelPageSize: 4, MMUPageSize: 4 };
}

export function encodeVma(vma: VmaObservation): Vma {
  const at = `${vma.startVpn.toString(16)} ${vma.endVpn.toString(16)} ${vma.perms} ${vma.pgoff} ${vma.name}`;
  const { smaps, vmFlags } = vma;
  if (smaps === undefined || vmFlags === undefined) return [at];
  const known = usual(vma);
  const told = Object.entries(smaps).filter(([key, value]) => value !== (known[key] ?? 0));
  return [at, vmFlags.join(' '), told.flat().join(' ')];
}

export function decodeVma([at, flags, told]: Vma): VmaObservation {
  const [start, end, perms, pgoff, ...name] = at.split(' ');
  const vma = {
    startVpn: Number.parseInt(start!, 16),
    endVpn: Number.parseInt(end!, 16),
    perms: perms!,
    pgoff: Number(pgoff),
    name: name.join(' '),
  };
  if (flags === undefined || told === undefined) return vma;
  const smaps: Record<string, number> = { ...usual(vma) };
  const words = told.split(' ');
  for (let i = 0; i + 1 < words.length; i += 2) smaps[words[i]!] = Number(words[i + 1]);
  return { ...vma, vmFlags: flags.split(' '), smaps };
}
