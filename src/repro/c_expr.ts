/** Expressions of a scenario in C. */
import { type U64, word } from '../base/index.ts';
import { constantValue, type Expr, formatExpr } from '../scenario/index.ts';
import { cName } from './c_names.ts';

/** First address below the model's stack area that the kernel's own choices come near to. */
const TOP_LOWEST_VPN = 0x700000000;
export const MODEL_TOP_VPN = 0x7ffff7fff;
export const MODEL_BRK_VPN = 0x558000000;
/** The heap has 1G of room. */
export const BRK_PAGES = 1 << 18;

/** Why a C file cannot hold something. */
export class NotInC {
  readonly message: string;
  readonly expr: Expr | undefined;
  constructor(message: string, expr?: Expr) {
    this.message = message;
    this.expr = expr;
  }
}

export interface CScope {
  /** True when the name is a task, whose value is its process number. */
  isTask(name: string): boolean;
  /** A constant that the text uses, to be defined where headers lack it. */
  useConstant(name: string, value: U64): void;
}

/** 64K, 2M, 0x1234: an address or size, as people write it. */
export function sizeText(value: U64): string {
  if (!word.isExact(value)) return `${word.toHex(value)}UL`;
  const bytes = word.toNumber(value);
  for (const [unit, size] of [
    ['T', 2 ** 40],
    ['G', 2 ** 30],
    ['M', 2 ** 20],
    ['K', 1024],
  ] as const) {
    if (bytes > 0 && bytes % size === 0 && bytes / size < 10000) return `${bytes / size} * ${unit}`;
  }
  return bytes < 65536 ? String(bytes) : `${word.toHex(value)}UL`;
}

/** An address: what the kernel chose below the model's top lies below ours. */
export function addressText(value: U64): string {
  const vpn = word.pageOf(value);
  if (vpn >= TOP_LOWEST_VPN && vpn <= MODEL_TOP_VPN) {
    const below = word.sub(word.fromPage(MODEL_TOP_VPN), value);
    return vpn === MODEL_TOP_VPN ? 'top' : `top - ${sizeText(below)}`;
  }
  if (vpn >= MODEL_BRK_VPN && vpn < MODEL_BRK_VPN + BRK_PAGES) {
    const above = word.sub(value, word.fromPage(MODEL_BRK_VPN));
    return above.lo === 0 ? 'heap' : `heap + ${sizeText(above)}`;
  }
  return sizeText(value);
}

function intText(value: U64, text: string): string {
  const unit = /^(\d+)([KMGT])B?$/i.exec(text);
  if (unit !== null) return `${unit[1]} * ${unit[2]!.toUpperCase()}`;
  if (word.pageOf(value) >= TOP_LOWEST_VPN && word.pageOf(value) <= MODEL_TOP_VPN) {
    return addressText(value);
  }
  if (/^-\d+$/.test(text)) return text;
  if (/^0[0-7]+$/.test(text)) return text;
  if (/^0x/i.test(text)) return value.hi === 0 ? text.toLowerCase() : `${text.toLowerCase()}UL`;
  return word.isExact(value) ? word.toDecimal(value) : `${word.toHex(value)}UL`;
}

/** C's precedences are those of the language. */
const LEVEL = { '|': 1, '&': 2, '<<': 3, '>>': 3, '+': 4, '-': 4, '*': 5 } as const;

export function cExpr(expr: Expr, scope: CScope, outer = 0): string {
  switch (expr.kind) {
    case 'int': {
      const text = intText(expr.value, expr.text);
      const inner = outer > 0 && /^\d+$/.test(text) ? `${text}UL` : text;
      const level = / [*] /.test(text) ? 5 : / - /.test(text) ? 4 : 9;
      return level < outer ? `(${inner})` : inner;
    }
    case 'const':
      if (expr.name === 'NULL') return '0';
      if (expr.name === 'PAGE_SIZE') return 'PAGE';
      scope.useConstant(expr.name, expr.value);
      return expr.name;
    case 'fd':
      return String(expr.fd);
    case 'name':
      return scope.isTask(expr.name) ? `pid(${cName(expr.name)})` : cName(expr.name);
    case 'unary':
      return `${expr.op}${cExpr(expr.operand, scope, 6)}`;
    case 'binary': {
      const level = LEVEL[expr.op];
      // gcc warns of & beside | and of + inside << without parentheses.
      const inner = (side: Expr): string => {
        const text = cExpr(side, scope, level);
        const other = side.kind === 'binary' && LEVEL[side.op] !== level && level < 4;
        return other && !text.startsWith('(') ? `(${text})` : text;
      };
      const right = cExpr(expr.right, scope, level + 1);
      const text = `${inner(expr.left)} ${expr.op} ${right}`;
      return level < outer ? `(${text})` : text;
    }
    default:
      throw new NotInC(`'${formatExpr(expr)}' has no value in C`, expr);
  }
}

export function constantNumber(expr: Expr | undefined): number | undefined {
  const value = expr === undefined ? undefined : constantValue(expr);
  return value === undefined ? undefined : word.toNumber(value);
}

/** A C string literal of the bytes of a text (Latin-1). */
export function cString(text: string): string {
  let out = '';
  for (const ch of text) {
    const c = ch.codePointAt(0)!;
    if (ch === '"' || ch === '\\') out += `\\${ch}`;
    else if (ch === '\n') out += '\\n';
    else if (ch === '?') out += '\\?';
    else if (c >= 32 && c < 127) out += ch;
    else if (c < 256) out += `\\${c.toString(8).padStart(3, '0')}`;
    else for (const b of utf8(c)) out += `\\${b.toString(8).padStart(3, '0')}`;
  }
  return `"${out}"`;
}

function utf8(code: number): number[] {
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)];
  if (code >= 0x10000) {
    const [a, b, c, d] = [code >> 18, code >> 12, code >> 6, code];
    return [0xf0 | a, 0x80 | (b & 63), 0x80 | (c & 63), 0x80 | (d & 63)];
  }
  return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
}
