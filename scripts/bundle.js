// Bundles dist/cli and all that it imports into dist/faultline.cjs: one file to read at the start,
// and beside it the code that V8 makes of it, for bin/load.js.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = 'dist/faultline.cjs';

const result = build({
  absWorkingDir: root,
  entryPoints: ['dist/cli/main.js'],
  outfile,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  // Reading the source is a third of a small run's time. The map gives a bug's stack its names
  // back: node --enable-source-maps bin/faultline.js …
  minify: true,
  sourcemap: 'linked',
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: `const bundleUrl = require('node:url').pathToFileURL(__filename).href;` },
  logLevel: 'warning',
});
// esbuild has printed what is wrong, with the place; its exception adds nothing.
await result.catch(() => process.exit(1));

// The old code would be taken for a new bundle of the same length.
rmSync(`${root}/${outfile}.cache`, { force: true });
execFileSync(process.execPath, [`${root}/scripts/code_cache.js`], { stdio: 'ignore' });
