/** The version, from the package's own file. */
import { existsSync, readFileSync } from 'node:fs';

/** Beside the bundle, or beside the folder of the unbundled modules. */
function packageFile(): URL {
  const bundled = new URL('../package.json', import.meta.url);
  return existsSync(bundled) ? bundled : new URL('../../package.json', import.meta.url);
}

export function version(): string {
  return (JSON.parse(readFileSync(packageFile(), 'utf8')) as { version: string }).version;
}

export function versionText(): string {
  return `faultline ${version()}, Node ${process.version}`;
}
