// Reads the bundle, with the code that V8 made of it when it was built (scripts/bundle.js): compiling
// is a third of a small run's time. Another release of node rejects that code, and compiles.
'use strict';
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { constants, Script } = require('node:vm');

const filename = join(__dirname, '..', 'dist', 'faultline.cjs');
const cacheFile = `${filename}.cache`;

function read(path, encoding) {
  try {
    return readFileSync(path, encoding);
  } catch {
    return undefined;
  }
}

/** The bundle as a script that returns a function, as node wraps a CommonJS module. */
function compile(source) {
  return new Script(`(function (require, __filename) { ${source}\n})`, {
    filename,
    cachedData: read(cacheFile),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

/** Runs the program; the compiled script, or undefined when there is no bundle. */
function start() {
  const source = read(filename, 'latin1');
  if (source === undefined) return undefined;
  const bundleRequire = createRequire(filename);
  // Node itself has to load what it is to map back to the sources.
  if (process.execArgv.includes('--enable-source-maps')) return bundleRequire(filename);
  const script = compile(source);
  script.runInThisContext()(bundleRequire, filename);
  return script;
}

module.exports = { cacheFile, start };
