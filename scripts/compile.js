// One file of an entry point and all that it imports, as fast as V8 lets it be. The benchmarks are
// compiled as the program is.
import { build, transform } from 'esbuild';
import { makeImmutable } from './immutable.js';

const target = 'node20.19';

/**
 * The bundle's code and, for a minified one, its source map. `options` are esbuild's.
 * Reading the source is a part of a small run's time: what is started often is minified.
 */
export async function compile({ minify, ...options }) {
  const built = await build({
    ...options,
    bundle: true,
    minifySyntax: true,
    sourcemap: minify ? 'inline' : false,
    platform: 'node',
    target,
    write: false,
    logLevel: 'warning',
  });
  const code = makeImmutable(built.outputFiles[0].text);
  if (!minify) return { code };
  return transform(code, { minify: true, format: options.format, sourcemap: 'external', target });
}
