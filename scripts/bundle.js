// Bundles dist/cli and all that it imports into dist/faultline.cjs: one file to read at the start,
// and beside it the code that V8 makes of it, for bin/load.js. The threads of a sweep start with
// dist/sweep_worker.js.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = 'dist/faultline.cjs';

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  // Reading the source is a third of a small run's time. The map gives a bug's stack its names
  // back: node --enable-source-maps bin/faultline.js …
  minify: true,
  sourcemap: 'linked',
  // What only some verbs need is loaded by them, from node_modules.
  external: ['tinypool', '@observablehq/plot', 'linkedom', 'bullmq', 'ioredis'],
  logLevel: 'warning',
};

const results = Promise.all([
  build({
    ...common,
    entryPoints: ['dist/cli/main.js'],
    outfile,
    format: 'cjs',
    // Code from V8's cache has no import(): node 20.19 can require() a module.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: `const bundleUrl = require('node:url').pathToFileURL(__filename).href;` },
  }),
  build({
    ...common,
    entryPoints: ['dist/sweep/worker.js'],
    outfile: 'dist/sweep_worker.js',
    format: 'esm',
  }),
]);
// esbuild has printed what is wrong, with the place; its exception adds nothing.
await results.catch(() => process.exit(1));

// The old code would be taken for a new bundle of the same length.
rmSync(`${root}/${outfile}.cache`, { force: true });
execFileSync(process.execPath, [`${root}/scripts/code_cache.js`], { stdio: 'ignore' });
