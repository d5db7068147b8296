// Writes the code that V8 has compiled by the end of a small run, for the next start (bin/load.js).
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import loader from '../bin/load.js';

const { cacheFile, start } = loader;

const scenario = fileURLToPath(new URL('../scenarios/thread-fork-mremap.fl', import.meta.url));
process.argv.splice(2, Infinity, 'run', scenario);
const script = start();
process.on('exit', () => {
  if (process.exitCode === undefined || process.exitCode === 0) {
    writeFileSync(cacheFile, script.createCachedData());
  }
});
