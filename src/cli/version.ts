/** The version, from the package's own file: the bundle is one folder below it. */
import { readFileSync } from 'node:fs';

export function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export function versionText(): string {
  return `faultline ${version()}, Node ${process.version}`;
}
