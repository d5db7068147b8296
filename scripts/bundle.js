// Bundles dist/cli and all that it imports into dist/faultline.cjs, and the verbs of the model alone
// into dist/faultline_model.cjs: one file to read at the start, and beside it the code that V8 makes
// of it, for bin/load.js. The threads of a sweep start with dist/sweep_worker.js.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import loader from '../bin/load.js';
import { compile } from './compile.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Commander starts programs for verbs that are programs of their own. We have none. */
const noSubprograms = {
  name: 'no-subprograms',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /[\\/]commander[\\/]/.test(importer) ? { path: 'none', namespace: 'empty' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: '', loader: 'js' }));
  },
};

async function bundle(outfile, options) {
  const { code, map } = await compile({
    ...options,
    absWorkingDir: root,
    outfile,
    minify: true,
    plugins: [noSubprograms],
    // What only some verbs need is loaded by them, from node_modules.
    external: ['esbuild', 'tinypool', '@observablehq/plot', 'linkedom', 'bullmq', 'ioredis'],
  });
  // The map gives a bug's stack its names back: node --enable-source-maps bin/faultline.js …
  writeFileSync(outfile, `${code}//# sourceMappingURL=${basename(outfile)}.map\n`);
  writeFileSync(`${outfile}.map`, map);
}

function program(outfile, entryPoint) {
  return bundle(outfile, {
    entryPoints: [entryPoint],
    format: 'cjs',
    // Code from V8's cache has no import(): node 20.19 can require() a module.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: `const bundleUrl = require('node:url').pathToFileURL(__filename).href;` },
  });
}

const { all, model } = loader.bundles;
const built = Promise.all([
  program(all, 'dist/cli/main.js'),
  program(model, 'dist/cli/main_model.js'),
  bundle(`${root}/dist/sweep_worker.js`, {
    entryPoints: ['dist/sweep/worker.js'],
    format: 'esm',
  }),
  bundle(`${root}/dist/check_worker.js`, {
    entryPoints: ['dist/cli/check_worker.js'],
    format: 'esm',
  }),
]);
// esbuild has printed what is wrong, with the place; its exception adds nothing.
await built.catch(() => process.exit(1));

for (const made of [all, model]) {
  // The old code would be taken for a new bundle of the same length.
  rmSync(loader.cacheOf(made), { force: true });
  execFileSync(process.execPath, [`${root}/scripts/code_cache.js`, made], { stdio: 'ignore' });
}
