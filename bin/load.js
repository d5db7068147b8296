// Reads a bundle, with the code that V8 made of it when it was built (scripts/bundle.js): compiling
// is a third of a small run's time. Another release of node rejects that code, and compiles.
'use strict';
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { constants, Script } = require('node:vm');

const dist = join(__dirname, '..', 'dist');
const bundles = { all: join(dist, 'faultline.cjs'), model: join(dist, 'faultline_model.cjs') };
const MODEL_VERBS = new Set(['run', 'compare', 'why', 'kernels']);

function read(path, encoding) {
  try {
    return readFileSync(path, encoding);
  } catch {
    return undefined;
  }
}

/** The bundle that the command line needs: half the code will do where the model alone is asked. */
function bundleOf(args) {
  const isModels = MODEL_VERBS.has(args[0]) && !args.some((one) => one.startsWith('--on'));
  return isModels ? bundles.model : bundles.all;
}

function cacheOf(filename) {
  return `${filename}.cache`;
}

/** The bundle as a script that returns a function, as node wraps a CommonJS module. */
function compile(filename, source) {
  return new Script(`(function (require, __filename) { ${source}\n})`, {
    filename,
    cachedData: read(cacheOf(filename)),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

/** Runs the program of a bundle; the compiled script, or undefined when there is no bundle. */
function start(filename = bundleOf(process.argv.slice(2))) {
  const source = read(filename, 'latin1');
  if (source === undefined) return undefined;
  const bundleRequire = createRequire(filename);
  // Node itself has to load what it is to map back to the sources.
  if (process.execArgv.includes('--enable-source-maps')) return bundleRequire(filename);
  const script = compile(filename, source);
  script.runInThisContext()(bundleRequire, filename);
  return script;
}

module.exports = { bundleOf, bundles, cacheOf, start };
