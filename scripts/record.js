// Records anew what the real kernel answers: node scripts/record.js [--programs N]
//   recordings/corpus.json   every scenario of scenarios/ that this machine can execute
//   recordings/sample.json   N random programs (default 120)
// After every step all that `faultline verify` compares.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { formatDiagnostic } from '../dist/base/index.js';
import { openHostKernel } from '../dist/host/index.js';
import {
  blockSettings,
  encodeProgramRecord,
  programText,
  RECORDING_VERSION,
} from '../dist/lab/index.js';
import { parseProgram } from '../dist/scenario/index.js';

const SEED = 20261123;
const STEPS = 20;
/** A recording of one program that is larger says little more than a smaller one. */
const PROGRAM_BYTES_MAX = 8000;
const root = new URL('..', import.meta.url).pathname;
const at = process.argv.indexOf('--programs');
const wanted = at < 0 ? 120 : Number(process.argv[at + 1]);

const host = await openHostKernel({ lockWaitMs: 600000 });
if ('unavailable' in host) {
  console.error(`the real kernel cannot be asked: ${host.unavailable}`);
  process.exit(2);
}
const info = host.info();
await host.quiet();

async function record(name, text) {
  const { program, diagnostics } = parseProgram(text, name);
  if (diagnostics.some((d) => d.severity === 'error')) {
    throw new Error(diagnostics.map(formatDiagnostic).join('\n'));
  }
  if (program.dialect !== 'scenario' || program.memory !== undefined) return undefined;
  const seen = await host.execute(program, { observe: 'full' });
  // A setting that may not be written here says nothing about the kernel.
  const error = seen.notes.find((note) => note.severity === 'error' || note.code === 'HOST010');
  if (error === undefined) return encodeProgramRecord(name, text, seen);
  console.error(`left out: ${formatDiagnostic(error)}`);
  return undefined;
}

async function write(file, programs) {
  const { own, ...layout } = info.layout;
  const { startVpn, endVpn } = own;
  const { brkVpn, mmapTopVpn, stackStartVpn, stackEndVpn } = layout;
  const recording = {
    version: RECORDING_VERSION,
    release: info.release,
    date: new Date().toISOString().slice(0, 10),
    layout: { mmapTopVpn, brkVpn, stackStartVpn, stackEndVpn, own: { startVpn, endVpn } },
    readAheadKb: info.readAheadKb,
    diskRequestKb: info.diskRequestKb,
    memoryBytes: info.memoryBytes,
    capabilities: info.capabilities,
    anonReadsAllocate: info.anonReadsAllocate,
    lowestHint: info.lowestHint,
    guardMarks: info.guardMarks,
    ...(info.unseen.length === 0 ? {} : { unseen: info.unseen }),
    settings: Object.fromEntries(info.settings),
  };
  // One program a line, so that a change shows where it is.
  const head = JSON.stringify(recording).slice(0, -1);
  const body = programs.map((p) => JSON.stringify(p)).join(',\n');
  const text = `${head},"programs":[\n${body}\n]}\n`;
  await mkdir(`${root}recordings`, { recursive: true });
  await writeFile(`${root}recordings/${file}`, text);
  console.log(`recordings/${file}: ${programs.length} programs, ${text.length} bytes`);
}

try {
  const corpus = [];
  for (const name of (await readdir(`${root}scenarios`)).sort()) {
    if (!name.endsWith('.fl')) continue;
    const text = await readFile(`${root}scenarios/${name}`, 'utf8');
    const kept = await record(name, text);
    if (kept !== undefined) corpus.push(kept);
  }
  await write('corpus.json', corpus);
  const sample = [];
  for (let i = 0; sample.length < wanted && i < wanted * 20; i++) {
    // Settings are part of the text; blocks of 64 share them, so programs are taken from many.
    const index = i * 23;
    if (blockSettings(SEED, index).length === 0) continue;
    const text = programText(SEED, index, STEPS);
    const kept = await record(`seed ${SEED} program ${index}`, text);
    if (kept !== undefined && JSON.stringify(kept).length <= PROGRAM_BYTES_MAX) sample.push(kept);
  }
  await write('sample.json', sample);
} finally {
  await host.close();
}
