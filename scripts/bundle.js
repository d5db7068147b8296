// Bundles dist/cli and all that it imports into dist/faultline.js: one file to read at the start.
import { build } from 'esbuild';

// commander is CommonJS and asks for node's own modules with require().
const banner = `import { createRequire as makeRequire } from 'node:module';
const require = makeRequire(import.meta.url);`;

const result = build({
  absWorkingDir: new URL('..', import.meta.url).pathname,
  entryPoints: ['dist/cli/main.js'],
  outfile: 'dist/faultline.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Reading the source is a third of a small run's time. The map gives a bug's stack its names
  // back: node --enable-source-maps bin/faultline.js …
  minify: true,
  sourcemap: 'linked',
  banner: { js: banner },
  logLevel: 'warning',
});
// esbuild has printed what is wrong, with the place; its exception adds nothing.
await result.catch(() => process.exit(1));
