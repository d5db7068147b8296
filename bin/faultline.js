#!/usr/bin/env node
// Starts the bundle that `npm run build` makes. CommonJS, which node starts faster than a module.
'use strict';
const { start } = require('./load.js');

if (start() === undefined) {
  process.stderr.write('faultline: dist/faultline.cjs is missing: run `npm run build` first\n');
  process.exitCode = 2;
}
