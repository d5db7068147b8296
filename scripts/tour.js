// `npm start`: four runs that show what Faultline is for, each with a word before it. Ends by itself.
import { execSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const wrap = Math.min(Math.max(process.stdout.columns ?? 100, 80), 100);

function say(text) {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.length - 1;
    if (lines[last].length + 1 + word.length > wrap) lines.push(word);
    else lines[last] += (lines[last] === '' ? '' : ' ') + word;
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Runs one command of Faultline; `due` is the exit code that it must have here. */
function show(args, due) {
  process.stdout.write(`\n$ npx faultline ${args.join(' ')}\n\n`);
  const child = spawnSync(process.execPath, ['bin/faultline.js', ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  process.stdout.write(`\nexit code ${child.status}\n\n`);
  if (child.status === due) return;
  process.stderr.write(`the tour expected exit code ${due} here\n`);
  process.exit(1);
}

if (!existsSync(new URL('../dist/faultline.cjs', import.meta.url))) {
  execSync('npm run -s build', { cwd: root, stdio: 'inherit' });
}

const KERNELS = '6.10,shmem-mthp-v1,shmem-mthp-v1-guarded,6.11,6.18';

say(`1. A patch for finish_fault() in the mail of May 2024 mapped a whole folio where its reviewer
doubted: shared memory is forked, moved by the child to an address that is not a multiple of the
folio's size, and written by both. Here is his sequence on five kernels: before the series, the
patch as posted, the patch with the guard that was proposed in the reply, as merged, and today.`);
show(['compare', 'scenarios/thread-fork-mremap.fl', '--kernels', KERNELS], 1);
say(`Exit code 1 means that a law or an expectation is broken: the guard of the reply does not help,
because the memory is anonymous shmem, which it lets pass.`);

process.stdout.write('\n');
say(`2. He found that sequence in his head. Every program of up to five steps by two processes over four
pages is tried here on the patch as posted; a shortest one that maps a wrong page is printed.`);
show(['check', '--kernel', 'shmem-mthp-v1', '--laws', 'translation'], 1);
say(`Neither fork nor mremap is needed: one process that maps the same memory twice will do.`);

process.stdout.write('\n');
say(`3. Every strace log is a scenario, and every result in it is a prediction to check. This is a
Python program with forty child processes. What the log cannot show (where the kernel put the
program's image) is learned from its first results and counted as assumed.`);
show(['run', 'scenarios/logs/python.log'], 0);
process.stdout.write('\n');
say(`4. A real program was recorded once: redis-server under redis-benchmark. One recording answers for
all settings: here are sixteen and more, each a run of the whole trace on the model, and the one that
it pays to set.`);
const page = join(tmpdir(), 'faultline-redis.html');
show(['advise', 'recordings/traces/redis.parquet', '-o', page], 0);
say(
  `The same with charts is in ${page}; \`npx faultline record -- CMD\` makes a recording of yours.`,
);
process.stdout.write('\n');
say(`Next: \`npx faultline why scenarios/thread-fork-mremap.fl --at child:b\` tells why a page is what
it is; \`npx faultline --help\` lists the verbs.`);
