/** The style as a test: what the compiler and the linter do not see. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const LINES_MAX = 500;
const LINES_MAX_C = 600;

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return /\.(ts|c|h)$/.test(entry.name) ? [path] : [];
  });
}

const sources = filesBelow(join(root, 'src')).map((path) => ({
  path,
  name: relative(root, path),
  text: readFileSync(path, 'utf8'),
}));

/** Files that a file imports for their values; imports of types make no ring at run time. */
function imports(path: string, text: string): string[] {
  const found: string[] = [];
  const pattern = /^(?:import|export)\s+(?!type\b)([^;]*?)from '(\.[^']+)';/gms;
  for (const match of text.matchAll(pattern)) {
    const names = match[1]!
      .replace(/[{}\s]/g, '')
      .split(',')
      .filter((name) => name !== '');
    const onlyTypes = /^\{/.test(match[1]!) && names.every((name) => name.startsWith('type'));
    if (!onlyTypes) found.push(join(dirname(path), match[2]!));
  }
  return found;
}

/** A ring of imports through `start`, or an empty list. */
function ringFrom(graph: Map<string, string[]>, start: string, done: Set<string>): string[] {
  const path: string[] = [];
  const visit = (file: string): string[] => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return [];
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const ring = visit(next);
      if (ring.length > 0) return ring;
    }
    path.pop();
    done.add(file);
    return [];
  };
  return visit(start);
}

describe('tidy', () => {
  it('finds the sources', () => {
    expect(sources.length).toBeGreaterThan(150);
  });

  it(`no source file is longer than ${LINES_MAX} lines`, () => {
    const limit = (name: string): number => (name.endsWith('.ts') ? LINES_MAX : LINES_MAX_C);
    const long = sources.filter((file) => file.text.split('\n').length > limit(file.name) + 1);
    expect(long.map((file) => file.name)).toEqual([]);
  });

  it('imports make no ring', () => {
    const graph = new Map(
      sources
        .filter((file) => file.path.endsWith('.ts'))
        .map((file) => [file.path, imports(file.path, file.text)]),
    );
    const done = new Set<string>();
    for (const file of graph.keys()) {
      const ring = ringFrom(graph, file, done).map((path) => relative(root, path));
      expect(ring).toEqual([]);
    }
  });

  it.each([
    ['BigInt', /\bBigInt\b|\b\d+n\b(?!')/],
    ['a type check switched off', /@ts-(ignore|expect-error|nocheck)|\bas any\b|: any[[,;)=]/],
    ['a lint check switched off', /biome-ignore/],
    ['work left to do', /\b(TODO|FIXME|XXX)\b/],
    ['a path of one machine', /\/(home|work|root)\/[a-z]+\//],
  ])('no source has %s', (_what, pattern) => {
    const code = (text: string): string => text.replace(/^\s*(\*|\/\/|\/\*).*$/gm, '');
    const bad = sources.filter(
      (file) => file.path.endsWith('.ts') && pattern.test(code(file.text)),
    );
    expect(bad.map((file) => file.name)).toEqual([]);
  });

  it('file names are snake_case', () => {
    const odd = sources.filter(
      (file) => !/^[a-z0-9_]+\.(ts|c|h)$/.test(file.name.split('/').at(-1)!),
    );
    expect(odd.map((file) => file.name)).toEqual([]);
  });

  it('rooms below the line do not see Node', () => {
    const low = sources.filter((file) =>
      /^src\/(base|arch|mm|laws|kernel|scenario|lab|view|trace|import)\//.test(file.name),
    );
    const bad = low.filter((file) =>
      /from 'node:|\bprocess\.(env|argv|stdout|exit|cwd|hrtime)|\brequire\(|Date\.now|Math\.random/.test(
        file.text,
      ),
    );
    expect(bad.map((file) => file.name)).toEqual([]);
  });
});
