/** The advice as one page that needs nothing else: no script, no other file. */
import { type AdviceReport, fits, type HeatMap, type Judged } from '../advise/index.ts';
import { duration, grouped, mebibytes, orderSize, share } from '../view/index.ts';
import {
  faultsAgainstMemory,
  firstTouches,
  folioOrders,
  type Kit,
  lineColour,
  loadKit,
  memoryOverTime,
  ordersShown,
  type Size,
  shownSettings,
} from './charts.ts';
import { STYLE } from './style.ts';

const SPECIAL: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text of a trace is anybody's: it never becomes markup. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => SPECIAL[letter]!);
}

const HEADLINE_MOST = 72;

/** A headline that fits, and where it does not hold all of a command, the whole below. */
function headline(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (line.length <= HEADLINE_MOST) return `<h1>${escapeHtml(line)}</h1>`;
  const short = line.slice(0, line.lastIndexOf(' ', HEADLINE_MOST) + 1 || HEADLINE_MOST).trim();
  return `<h1>${escapeHtml(short)} …</h1>\n<p class="command"><code>${escapeHtml(line)}</code></p>`;
}

function bloat(one: Judged): string {
  const text = `${(one.bloat * 100).toFixed(1)} %`;
  return one.bloat > 0 ? `+${text}` : text;
}

function figure(caption: string, chart: (size: Size) => string, legend = ''): string {
  return `<figure>${legend}
<div class="wide">${chart('wide')}</div>
<div class="narrow">${chart('narrow')}</div>
<figcaption>${caption}</figcaption></figure>`;
}

function legend(entries: readonly (readonly [name: string, colour: string])[]): string {
  const items = entries.map(
    ([name, colour]) => `<li><i style="background:${colour}"></i>${escapeHtml(name)}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}

function tableOf(report: AdviceReport): string {
  const heads = [
    'setting',
    'faults',
    'time',
    'peak memory',
    'bloat',
    'never needed',
    'by 2M',
    'in 64K',
  ];
  const rows = report.settings.map((one) => {
    const marks = [
      one.name === report.recommendation ? 'best' : '',
      one.bloat > report.maxBloat ? 'over' : '',
      fits(one) ? '' : 'full',
    ].filter((mark) => mark !== '');
    const cells = [
      `${escapeHtml(one.name)}${one.front ? ' *' : ''}`,
      grouped(one.faults.total),
      duration(one.cost.total),
      fits(one) ? mebibytes(one.peak.memory) : `&gt; ${mebibytes(one.peak.memory)}`,
      fits(one) ? bloat(one) : '',
      mebibytes(one.census.waste),
      share(one.census.thpShare),
      share(one.census.contpteShare),
    ];
    return `<tr class="${marks.join(' ')}">${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`;
}

const FULL_NOTE = ' &gt;: more than the machine has; faults and time are those up to there.';

function advice(report: AdviceReport): string {
  const best = report.settings.find((one) => one.name === report.recommendation);
  if (best === undefined) {
    return `<section class="advice"><p>Advised</p><p><strong>Nothing: under no setting does the trace fit into the memory of its machine.</strong></p></section>`;
  }
  const reference = report.settings[0]!;
  const numbers = [
    [
      'faults',
      `${grouped(best.faults.total)} <span class="dim">of ${grouped(reference.faults.total)}</span>`,
    ],
    [
      'time in them',
      `${duration(best.cost.total)} <span class="dim">of ${duration(reference.cost.total)}</span>`,
    ],
    ['peak memory', `${mebibytes(best.peak.memory)} <span class="dim">${bloat(best)}</span>`],
  ];
  const { predicted } = best;
  if (predicted !== null) {
    numbers.push(['predicted minflt', grouped(predicted.minflt)]);
    numbers.push(['predicted max RSS', mebibytes(predicted.maxrss)]);
  }
  const items = numbers.map(
    ([name, value]) => `<li><span class="dim">${name}</span><b>${value}</b></li>`,
  );
  const { apply, undo } = report.commands;
  const lines = (list: readonly string[]): string => `<pre>${escapeHtml(list.join('\n'))}</pre>`;
  const commands =
    apply.length === 0
      ? '<p class="dim">The machine that wrote this page was set so already.</p>'
      : `<p>To apply it, as root:</p>${lines(apply)}<p>To undo it:</p>${lines(undo)}`;
  return `<section class="advice"><p>Advised</p><p><strong>${escapeHtml(best.name)}</strong></p>
<ul class="numbers">${items.join('')}</ul></section>${commands}`;
}

function charts(kit: Kit, report: AdviceReport, heat: HeatMap): string {
  const lines = shownSettings(report).map((one, i) => [one.name, lineColour(i)] as const);
  const orders = ordersShown(report).map(
    (order) => [orderSize(order), `var(--order-${order})`] as const,
  );
  return `<h2>Resident memory over time</h2>
${figure('Anonymous and shared memory, each frame once.', (size) => memoryOverTime(kit, report, size), legend(lines))}
<h2>Faults against memory</h2>
${figure('Dashed: the front, on which nothing else is faster with as little memory. The ring is the advice.', (size) => faultsAgainstMemory(kit, report, size))}
<h2>Folios near the peak</h2>
${figure('Anonymous and shared memory by the size of its folio.', (size) => folioOrders(kit, report, size), legend(orders))}
<h2>First touches</h2>
${figure('Where and when the program touched memory first, as recorded. Darker (in the dark: brighter) is more. The twelve most touched stretches of memory, one above the other.', (size) => firstTouches(kit, heat, size))}`;
}

function facts(report: AdviceReport): string {
  const { machine, measured } = report;
  const parts = [
    `${grouped(report.events)} events, ${grouped(report.recorded)} faults recorded`,
    `${report.settings.length} settings on the modelled kernel ${report.kernel}`,
  ];
  if (machine.kernel !== '') parts.push(`recorded on Linux ${machine.kernel}, ${machine.cpu}`);
  if (measured !== null) {
    parts.push(
      `measured while recording: minflt ${grouped(measured.minflt)}, max RSS ${mebibytes(measured.maxrss)}`,
    );
  }
  return parts.map((part) => `<p class="dim">${escapeHtml(part)}</p>`).join('');
}

export async function advicePage(
  report: AdviceReport,
  heat: HeatMap,
  version: string,
): Promise<string> {
  const title = report.command.length > 0 ? report.command.join(' ') : report.trace;
  const warnings = report.warnings.map(({ text }) => `<p class="warn">${escapeHtml(text)}</p>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title.slice(0, 2 * HEADLINE_MOST))}: page sizes</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${headline(title)}
${facts(report)}
${advice(report)}
${warnings.join('')}
${charts(await loadKit(), report, heat)}
<h2>All settings</h2>
${tableOf(report)}
<p class="dim">* on the front. Time is that of faults, of clearing memory and of TLB misses, by the costs of: ${escapeHtml(report.costs.machine)}. Bloat is the peak against 4K pages; never needed is memory that no access of the trace touched.${report.settings.every(fits) ? '' : FULL_NOTE}</p>
<footer>faultline ${escapeHtml(version)}, ${escapeHtml(report.trace)}</footer>
</main>
</body>
</html>
`;
}
