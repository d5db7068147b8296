/** One mutation: the bundle with a mistake in it, in a process of its own with a limit. */
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { Random } from '../../dist/base/index.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The source with the mistake; a snippet that is not there exactly once is our own. */
export function mutated({ file, find, put }) {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`${file}: ${count} times, not once: ${JSON.stringify(find)}`);
  return text.replace(find, () => put);
}

/** The mistake is still a program: throws where the file does not parse with it. */
export async function parses(mutation) {
  await transform(mutated(mutation), { loader: 'ts', logLevel: 'silent' });
}

/** `count` of a list, the same for the same seed, in the list's order. */
export function sample(list, count, seed) {
  const random = new Random(seed);
  const left = [...list];
  while (left.length > count) left.splice(random.below(left.length), 1);
  return left;
}

async function bundle(mutation) {
  const contents = mutation === undefined ? '' : mutated(mutation);
  const path = mutation === undefined ? '' : join(ROOT, mutation.file);
  const plugin = {
    name: 'mutation',
    setup: (on) =>
      on.onLoad({ filter: /\.ts$/ }, (args) =>
        args.path === path ? { contents, loader: 'ts' } : undefined,
      ),
  };
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: ['scripts/mutate/judge.js'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'silent',
    plugins: [plugin],
  });
  return result.outputFiles[0].text;
}

/** What noticed: {law, expectation, ms}; a run without end is noticed by the limit. */
export async function judge(
  mutation,
  { programs = 300, transitions = 0, limitMs = 90000, scenarios = '' } = {},
) {
  const text = await bundle(mutation);
  const folder = mkdtempSync(join(tmpdir(), 'faultline-mutate-'));
  try {
    const path = join(folder, 'judge.mjs');
    writeFileSync(path, text);
    return await new Promise((resolve) => {
      const child = fork(path, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
      const began = performance.now();
      const done = (found) => {
        clearTimeout(timer);
        resolve({ ms: performance.now() - began, ...found });
      };
      const timer = setTimeout(() => {
        done({ law: { by: 'limit', what: 'does not end', where: '' } });
        child.kill('SIGKILL');
      }, limitMs);
      child.on('message', (message) => {
        if (message === 'programs end') clearTimeout(timer);
        else done(message);
      });
      child.on('exit', (code) => {
        done({ law: { by: 'assertion', what: `the process ended with ${code}`, where: '' } });
      });
      child.send({ corpus: join(ROOT, 'scenarios'), programs, transitions, scenarios });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
