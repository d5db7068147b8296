// Bundles dist/cli and all that it imports into dist/faultline.cjs: one file to read at the start,
// and beside it the code that V8 makes of it, for bin/load.js. The threads of a sweep start with
// dist/sweep_worker.js.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './compile.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = `${root}/dist/faultline.cjs`;

async function bundle(outfile, options) {
  const { code, map } = await compile({
    ...options,
    absWorkingDir: root,
    outfile,
    minify: true,
    // What only some verbs need is loaded by them, from node_modules.
    external: ['esbuild', 'tinypool', '@observablehq/plot', 'linkedom', 'bullmq', 'ioredis'],
  });
  // The map gives a bug's stack its names back: node --enable-source-maps bin/faultline.js …
  writeFileSync(outfile, `${code}//# sourceMappingURL=${basename(outfile)}.map\n`);
  writeFileSync(`${outfile}.map`, map);
}

const bundles = Promise.all([
  bundle(program, {
    entryPoints: ['dist/cli/main.js'],
    format: 'cjs',
    // Code from V8's cache has no import(): node 20.19 can require() a module.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: `const bundleUrl = require('node:url').pathToFileURL(__filename).href;` },
  }),
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
await bundles.catch(() => process.exit(1));

// The old code would be taken for a new bundle of the same length.
rmSync(`${program}.cache`, { force: true });
execFileSync(process.execPath, [`${root}/scripts/code_cache.js`], { stdio: 'ignore' });
