#!/usr/bin/env node
// Starts the bundle that `npm run build` makes.
import { existsSync } from 'node:fs';

const bundle = new URL('../dist/faultline.js', import.meta.url);
if (existsSync(bundle)) await import(bundle.href);
else {
  process.stderr.write('faultline: dist/faultline.js is missing: run `npm run build` first\n');
  process.exitCode = 2;
}
