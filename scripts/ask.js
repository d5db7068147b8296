// Asks the real kernel: executes scenarios on the host and prints each step's outcome and pages.
//   node scripts/ask.js [--full] [--no-pages] FILE.fl...
import { readFile } from 'node:fs/promises';
import { errnoName, formatDiagnostic, word } from '../dist/base/index.js';
import { openHostKernel } from '../dist/host/index.js';
import { parseProgram } from '../dist/scenario/index.js';

const BITS = 'P present,S swap,F file,x exclusive,w uffd-wp,g guard,z zero,H pmd'.split(',');
const hex = (vpn) => `0x${(vpn * 4096).toString(16)}`;

function bitText(bits) {
  return BITS.map((name, i) => ((bits >> i) & 1 ? name[0] : '-')).join('') + flagText(bits >> 8);
}

function flagText(bits) {
  return [...'audbmtexcs'].map((letter, i) => ((bits >> i) & 1 ? letter : '.')).join('');
}

function outcomeText(o) {
  const result =
    o.signal !== undefined
      ? `${o.signal.name}/${o.signal.code} at ${word.toHex(o.signal.address)}`
      : o.errno !== undefined
        ? `-1 ${errnoName(o.errno)}`
        : o.value !== undefined
          ? word.toHex(o.value)
          : '?';
  const at = o.faultedVpns?.length ? ` faults at ${o.faultedVpns.map(hex).join(' ')}` : '';
  return `${result}  minflt ${o.minflt}${o.majflt ? ` majflt ${o.majflt}` : ''}${at}`;
}

/** Runs of pages that differ by one in everything that counts up. */
function printPages(task) {
  const { vpn, bits, folio, index, order, mapcount } = task.pages;
  for (let i = 0; i < vpn.length; ) {
    let end = i + 1;
    const same = (k) =>
      vpn[k] === vpn[i] + k - i &&
      bits[k] === bits[i] &&
      folio[k] === folio[i] &&
      order[k] === order[i] &&
      mapcount[k] === mapcount[i] &&
      (folio[i] === 0 || index[k] === index[i] + k - i);
    while (end < vpn.length && same(end)) end++;
    const pages = end - i > 1 ? ` x${end - i}` : '';
    const frame = folio[i]
      ? `folio ${folio[i]}[${index[i]}] order ${order[i]} mapcount ${mapcount[i]}`
      : '';
    console.log(`      ${hex(vpn[i])}${pages} ${bitText(bits[i])} ${frame}`);
    i = end;
  }
}

function printTask(task, full) {
  const { rss } = task;
  const kb = full
    ? ` anon ${rss.anon} file ${rss.file} shmem ${rss.shmem} swap ${rss.swap} pte ${task.vmPte} size ${task.vmSize} lck ${task.vmLck} kB`
    : '';
  console.log(`    ${task.task || 'task'}:${kb}`);
  for (const v of task.vmas) {
    const smaps = v.smaps
      ? Object.entries(v.smaps)
          .filter(([k, n]) => n !== 0 && !/PageSize|Size$/.test(k))
          .map(([k, n]) => `${k} ${n}`)
          .join(' ')
      : '';
    console.log(
      `      ${hex(v.startVpn)}-${hex(v.endVpn)} ${v.perms} ${hex(v.pgoff)} ${v.name} ${(v.vmFlags ?? []).join(' ')} ${smaps}`,
    );
  }
  printPages(task);
}

function printTranscript(program, t, full) {
  let last = '';
  for (const [i, step] of program.steps.entries()) {
    const o = t.outcomes[i];
    if (o === undefined) continue;
    const e = t.expectations[i];
    const verdict = e
      ? e.holds
        ? 'holds'
        : `FAILS: ${JSON.stringify(e.left)} ${JSON.stringify(e.right)}`
      : outcomeText(o);
    const blocked = t.blockedSteps.includes(i) ? ' (blocked)' : '';
    console.log(
      `${String(step.at.line).padStart(3)} ${step.task ? `${step.task}: ` : ''}${step.text}  ->  ${verdict}${blocked}`,
    );
    if (o.output && !e) console.log(o.output.replace(/^/gm, '      | ').trimEnd());
    const now = JSON.stringify(t.observations[i]);
    if (t.observations[i] && now !== last)
      for (const task of t.observations[i]) printTask(task, full);
    last = now;
  }
}

const options = process.argv.slice(2).filter((a) => a.startsWith('--'));
const files = process.argv.slice(2).filter((a) => !a.startsWith('--'));
const full = options.includes('--full');
const observe = options.includes('--no-pages') ? 'none' : full ? 'full' : 'pages';
const host = await openHostKernel({ lockWaitMs: 120000 });
if ('unavailable' in host) {
  console.error(`the host cannot be asked: ${host.unavailable}`);
  process.exit(2);
}
try {
  for (const file of files) {
    const { program, diagnostics } = parseProgram(await readFile(file, 'utf8'), file);
    for (const d of diagnostics) console.error(formatDiagnostic(d));
    if (program === undefined) continue;
    const t = await host.execute(program, { observe });
    if (files.length > 1) console.log(`== ${file}`);
    printTranscript(program, t, full);
    for (const d of t.notes) console.error(formatDiagnostic(d));
    if (t.notes.some((d) => d.severity === 'error')) process.exitCode = 1;
  }
} finally {
  await host.close();
}
