// Writes the code that V8 has compiled of a bundle by the end of a small run, for the next start
// (bin/load.js). The argument is the bundle's file.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import loader from '../bin/load.js';

const [bundle] = process.argv.splice(2);
const scenario = fileURLToPath(new URL('../scenarios/thread-fork-mremap.fl', import.meta.url));
process.argv.push('run', scenario);
const script = loader.start(bundle);
process.on('exit', () => {
  if (process.exitCode === undefined || process.exitCode === 0) {
    writeFileSync(loader.cacheOf(bundle), script.createCachedData());
  }
});
