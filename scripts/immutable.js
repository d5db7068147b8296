// V8 compiles a call of a `const` function to a direct call, and the value of a `const` into the
// code; a `function` or a `var` at the top of a bundle it has to look up and to check each time,
// because either might be assigned. esbuild writes only the latter two. This turns them into the
// former where nothing assigns them: a tenth of a fault's cost.
import { parseAst } from 'rolldown/parseAst';

/** The nodes right below one; what only looks like a name, `.x` and `{ x: … }`, is none. */
function* childrenOf(node) {
  for (const [key, value] of Object.entries(node)) {
    if ((key === 'property' || key === 'key') && !node.computed) continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') yield child;
    }
  }
}

/** Every node below one, itself included. */
function* walk(node) {
  yield node;
  for (const child of childrenOf(node)) yield* walk(child);
}

/**
 * Names that are assigned anywhere, whichever binding they mean there. `o.x = 1` and `a[f()] = 1`
 * assign none of theirs.
 */
function assignedNames(ast) {
  const names = new Set();
  for (const node of walk(ast)) {
    const target = node.type === 'AssignmentExpression' ? node.left : node.argument;
    if (node.type !== 'AssignmentExpression' && node.type !== 'UpdateExpression') continue;
    if (target.type === 'MemberExpression') continue;
    for (const part of walk(target)) if (part.type === 'Identifier') names.add(part.name);
  }
  return names;
}

function namesIn(node) {
  const names = new Set();
  for (const part of walk(node)) if (part.type === 'Identifier') names.add(part.name);
  return names;
}

const LAZY = new Set(['FunctionExpression', 'ArrowFunctionExpression', 'FunctionDeclaration']);
const CALLS = new Set(['CallExpression', 'NewExpression', 'TaggedTemplateExpression']);

/** What a statement at the top names for its value, and what it may call: all in a call may run. */
function useAtOnce(node, named, called) {
  if (LAZY.has(node.type)) return;
  // esbuild's own: a namespace with a getter for each export, which nobody asks before its time.
  if (node.type === 'CallExpression' && node.callee.name === '__export') return;
  if (CALLS.has(node.type)) {
    for (const name of namesIn(node)) called.add(name);
    return;
  }
  if (node.type === 'Identifier') named.add(node.name);
  for (const child of childrenOf(node)) useAtOnce(child, named, called);
}

/**
 * Functions that a statement above them uses: they have to be there before their own line is
 * reached. Names are taken for what they mean at the top, which errs on the safe side.
 */
function hoistedFunctions(body) {
  const functions = new Map();
  for (const s of body) if (s.type === 'FunctionDeclaration') functions.set(s.id.name, s);
  const hoisted = new Set();
  for (const s of body) {
    if (s.type === 'FunctionDeclaration') continue;
    const named = new Set();
    const called = new Set();
    useAtOnce(s, named, called);
    const seen = new Set();
    const todo = [...called];
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (seen.has(name) || !functions.has(name)) continue;
      seen.add(name);
      todo.push(...namesIn(functions.get(name)));
    }
    for (const name of [...seen, ...named]) {
      if (functions.has(name) && functions.get(name).start > s.start) hoisted.add(name);
    }
  }
  return hoisted;
}

/** The code with the same lines, its top-level bindings `const` where they can be. */
export function makeImmutable(code) {
  const ast = parseAst(code);
  const assigned = assignedNames(ast);
  const hoisted = hoistedFunctions(ast.body);
  const edits = [];
  for (const s of ast.body) {
    if (s.type === 'FunctionDeclaration') {
      const { name } = s.id;
      if (assigned.has(name) || hoisted.has(name)) continue;
      edits.push({ at: s.start, length: 0, text: `const ${name} = ` });
      edits.push({ at: s.end, length: 0, text: ';' });
    } else if (s.type === 'VariableDeclaration' && s.kind === 'var') {
      const fixed = s.declarations.every(
        (d) => d.id.type === 'Identifier' && d.init !== null && !assigned.has(d.id.name),
      );
      if (fixed) edits.push({ at: s.start, length: 'var'.length, text: 'const' });
    }
  }
  let out = '';
  let done = 0;
  for (const { at, length, text } of edits) {
    out += code.slice(done, at) + text;
    done = at + length;
  }
  return out + code.slice(done);
}
