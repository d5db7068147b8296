/**
 * Compiles a variant: types are stripped, its own imports bundled, and `import … from 'faultline'`
 * becomes the model's functions, which the thread that runs it hands over.
 */
import { existsSync } from 'node:fs';
import { basename, relative } from 'node:path';
import type { Diagnostic } from '../base/index.ts';
import * as api from '../explore/variant_api.ts';
import { cliError } from './input.ts';

/** Where the running thread keeps the functions. */
export const API_KEY = 'faultline.variant';

export interface CompiledVariant {
  readonly name: string;
  readonly code: string;
}

/** What is wrong with it, where that can be told. */
export interface RefusedVariant {
  readonly diagnostics: readonly Diagnostic[];
}

function virtualModule(): string {
  const names = Object.keys(api);
  return `const api = globalThis[Symbol.for('${API_KEY}')];\nexport const { ${names.join(', ')} } = api;\n`;
}

interface BuildMessage {
  readonly text: string;
  readonly location: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
  } | null;
}

function diagnosticOf(path: string, found: BuildMessage): Diagnostic {
  const { location, text } = found;
  const message = text.replace(/ \(use "node:.*/, '');
  if (location === null) return cliError('CLI010', path, message);
  return {
    severity: 'error',
    code: 'CLI010',
    file: relative('.', location.file) || path,
    line: location.line,
    column: location.column + 1,
    message,
  };
}

export async function compileVariant(path: string): Promise<CompiledVariant | RefusedVariant> {
  if (!existsSync(path)) {
    return { diagnostics: [cliError('CLI001', path, 'there is no such file')] };
  }
  const { build } = await import('esbuild');
  try {
    const built = await build({
      entryPoints: [path],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'neutral',
      target: 'node20.19',
      logLevel: 'silent',
      plugins: [
        {
          name: 'faultline',
          setup(on) {
            on.onResolve({ filter: /^faultline$/ }, () => ({
              path: 'faultline',
              namespace: 'model',
            }));
            on.onLoad({ filter: /.*/, namespace: 'model' }, () => ({ contents: virtualModule() }));
          },
        },
      ],
    });
    return { name: basename(path), code: built.outputFiles[0]!.text };
  } catch (error) {
    const errors = (error as { errors?: readonly BuildMessage[] }).errors;
    if (errors === undefined || errors.length === 0) throw error;
    return { diagnostics: errors.slice(0, 5).map((found) => diagnosticOf(path, found)) };
  }
}
