// Runs after `npm ci`: compiles, and puts the command where npx looks for it, so that
// `npx faultline` works right away in a checkout. (npm links the commands of dependencies, not
// the package's own.)
import { execSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

if (existsSync(path('../src'))) {
  execSync('npm run -s build', { stdio: 'inherit', cwd: path('..') });
  const bin = path('../node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  rmSync(`${bin}/faultline`, { force: true });
  if (process.platform === 'win32') {
    writeFileSync(`${bin}/faultline.cmd`, '@node "%~dp0\\..\\..\\bin\\faultline.js" %*\r\n');
  } else {
    symlinkSync('../../bin/faultline.js', `${bin}/faultline`);
  }
}
