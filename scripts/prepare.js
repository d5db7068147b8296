// Runs after `npm ci`: compiles, so that `npx faultline` works right away.
import { execSync } from 'node:child_process';
import { existsSync } from 'node:fs';

if (existsSync(new URL('../src', import.meta.url))) {
  execSync('npm run -s build', { stdio: 'inherit' });
}
