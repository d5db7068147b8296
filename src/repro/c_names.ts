/** Names of a scenario as C identifiers: as they are, unless C or the reproducer's own text has them. */
import { CHECKS } from './runtime_checks.ts';
import { LOOK } from './runtime_look.ts';
import { INIT_MAIN, MAIN, ROOM, SETTINGS } from './runtime_main.ts';
import { TASKS } from './runtime_tasks.ts';

const C_WORDS =
  'auto break case char const continue default do double else enum extern float for goto if inline ' +
  'int long register restrict return short signed sizeof static struct switch typedef union unsigned ' +
  'void volatile while asm typeof main errno stdin stdout stderr unix linux i386 environ true false ' +
  'bool NULL alignas alignof nullptr constexpr thread_local va_start va_end offsetof signal printf';

/** Macros, and what the text declares at file scope. */
function declaredIn(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/^#define (\w+)/gm)) found.push(match[1]!);
  for (const match of text.matchAll(
    /^(?:static|int|enum|typedef)\b[^(=;\n]*?\b(\w+)(?=[([=;])/gm,
  )) {
    found.push(match[1]!);
  }
  for (const match of text.matchAll(/\b__maybe_unused [^(\n]*?(\w+)\(/g)) found.push(match[1]!);
  return found;
}

const TAKEN: ReadonlySet<string> = new Set([
  ...C_WORDS.split(' '),
  ...['CALL', 'LOAD', 'STORE', 'FETCH', 'CLONE', 'u64', 's64', 'TASKS', 'BYTES', 'POINTS'],
  ...['points', 'passed', 'failed', 'scenario', 'needs', 'leave', 'THP', 'text', 'bytes', 'words'],
  ...[TASKS, LOOK, CHECKS, SETTINGS, ROOM, MAIN, INIT_MAIN].flatMap(declaredIn),
]);

/** Upper-case names may be macros of any header. */
export function cName(name: string): string {
  const plain = /^[A-Za-z_]\w*$/.test(name) ? name : `v_${name.replace(/\W/g, '_')}`;
  return TAKEN.has(plain) || /^[A-Z_][A-Z0-9_]*$/.test(plain) || /^_/.test(plain)
    ? `${plain}_`
    : plain;
}
