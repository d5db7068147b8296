/**
 * The entry of a bundle in which the model may have a mistake: the corpus, random programs and, if
 * nothing has noticed, the checker. Says what noticed first.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { KernelCheck, PRESETS } from '../../src/explore/index.ts';
import { programText, runProgram } from '../../src/lab/index.ts';
import { DEFAULT_KERNEL, findKernel } from '../../src/mm/release.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const SMALL = 1 << 28;
const SEED = 11;

/** What an exception of the model says: one of its own assertions. */
function assertion(error) {
  return {
    by: 'assertion',
    what: String(error?.message ?? error)
      .split('\n')[0]
      .slice(0, 70),
  };
}

function judgeProgram(text, where) {
  const { program } = parseProgram(text, where);
  if (program === undefined || program.memory !== undefined) return {};
  if (program.kernel !== undefined && program.kernel !== DEFAULT_KERNEL) return {};
  // What a process may have of all memory is a matter of its size.
  const size = where.startsWith('overcommit') ? {} : { memory: SMALL };
  let report;
  try {
    report = runProgram(program, { laws: true, kernel: DEFAULT_KERNEL, ...size });
  } catch (error) {
    return { law: { ...assertion(error), where } };
  }
  const broken = report.laws.find((law) => law.broken.length > 0);
  const wrong = report.steps.find((s) => s.verdict === 'mismatched');
  const found = {};
  if (broken !== undefined) {
    found.law = { by: 'law', what: broken.name, where: `${where}:${broken.broken[0].line}` };
  }
  if (wrong !== undefined) {
    found.expectation = { by: 'expectation', what: wrong.text, where: `${where}:${wrong.line}` };
  }
  return found;
}

/** {law, expectation}: the first of each kind, up to the first law. */
function judgeCorpus(corpus, names, programs) {
  const first = {};
  for (const name of names) {
    const found = judgeProgram(readFileSync(`${corpus}/${name}`, 'utf8'), name);
    first.law ??= found.law;
    first.expectation ??= found.expectation;
    if (first.law !== undefined) return first;
  }
  for (let i = 0; i < programs && first.law === undefined; i++) {
    const found = judgeProgram(programText(SEED, i, 20), `program ${i} of seed ${SEED}`);
    first.law ??= found.law;
  }
  return first;
}

/**
 * Races first with few states: mappings of one page, so that those of small folios are met soon;
 * a file on a disk, whose faults drop their lock and begin anew; a file that is cut while a fault
 * makes a private copy of its page.
 */
const ONE_PAGE = { ...PRESETS.races, pages: 1 };
const FOCUSES = [
  ['races --pages 1', ONE_PAGE],
  [
    'races --pages 1 --mappings disk-private --calls dontneed',
    { ...ONE_PAGE, kinds: ['disk-private'], calls: ['dontneed'] },
  ],
  [
    'races --tasks 1 --pages 2 --mappings memfd,memfd-private --calls punch,truncate',
    {
      ...PRESETS.races,
      tasks: 1,
      pages: 2,
      kinds: ['memfd', 'memfd-private'],
      calls: ['punch', 'truncate'],
    },
  ],
  ...['races', 'default', 'cow', 'files', 'uffd'].map((focus) => [focus, PRESETS[focus]]),
];

function judgeByCheck(transitions) {
  const release = findKernel(DEFAULT_KERNEL);
  for (const [focus, bounds] of FOCUSES) {
    const check = new KernelCheck(release, {
      bounds,
      memory: 1 << 29,
      first: true,
    });
    for (let done = 0; done < transitions; done += 20000) if (!check.run(20000)) break;
    const [violation] = check.report().violations;
    if (violation !== undefined) {
      return { by: 'check', what: violation.law, where: `--focus ${focus}` };
    }
  }
  return undefined;
}

process.on('message', ({ corpus, programs, transitions, scenarios }) => {
  const named = new RegExp(`${scenarios}.*[.]fl$`);
  const names = readdirSync(corpus).filter((file) => named.test(file));
  const began = performance.now();
  let found = {};
  try {
    found = judgeCorpus(corpus, names, programs);
    if (found.law === undefined && transitions > 0) {
      // The search is long by itself: the limit is for programs that do not end.
      process.send('programs end');
      found.law = judgeByCheck(transitions);
    }
  } catch (error) {
    found.law ??= { ...assertion(error), where: 'check' };
  }
  process.send({ ...found, ms: performance.now() - began }, () => process.exit(0));
});
