/** The advice as comma-separated values, one line a setting. */
import type { AdviceReport } from '../advise/index.ts';

const HEAD = [
  ...['name', 'recommended', 'front', 'faults', 'anon', 'shmem', 'file', 'cow', 'populate'],
  ...['time_ns', 'fault_ns', 'zeroing_ns', 'tlb_ns', 'peak_bytes', 'rss_bytes', 'bloat'],
  ...[
    'waste_bytes',
    'thp_share',
    'contpte_share',
    'predicted_minflt',
    'predicted_maxrss',
    'no_memory',
    'settings',
  ],
];

function cell(value: string | number | boolean): string {
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function adviceCsv(report: AdviceReport): string {
  const lines = [HEAD.join(',')];
  for (const one of report.settings) {
    const { faults, cost, peak, census, predicted } = one;
    const kinds = ['anon', 'shmem', 'file', 'cow', 'populate'].map((k) => faults.byKind[k] ?? 0);
    const settings = one.settings.map(({ path, value }) => `${path}=${value}`).join(' ');
    const cells = [
      ...[one.name, one.name === report.recommendation, one.front, faults.total, ...kinds],
      ...[cost.total, cost.faults, cost.zeroing, cost.tlb].map(Math.round),
      ...[peak.memory, peak.rss, one.bloat.toFixed(5), census.waste],
      ...[census.thpShare.toFixed(4), census.contpteShare.toFixed(4)],
      ...[predicted?.minflt ?? '', predicted?.maxrss ?? '', faults.noMemory, settings],
    ];
    lines.push(cells.map(cell).join(','));
  }
  return `${lines.join('\n')}\n`;
}
