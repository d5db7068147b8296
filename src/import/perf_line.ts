/**
 * The head of a line of `perf script`. Which fields it has depends on `-F`; these are understood:
 *
 *     comm  pid[/tid]  [cpu]  time:  period  event:  rest
 *
 * comm may hold spaces, [cpu] and period may be missing. Two numbers of time are ns: the study of
 * a fault needs no more than six digits, but `--ns` gives nine.
 */
export interface PerfHead {
  pid: number;
  tid: number;
  seconds: number;
  nanoseconds: number;
  event: string;
  /** Where what follows the event's name begins. */
  rest: number;
}

const HEAD =
  /^\s*(\S.*?)\s+(-?\d+)(?:\/(-?\d+))?\s+(?:\[\d+\]\s+)?(?:[.dDNnhHsSZ0-9]{4,5}\s+)?(\d+)\.(\d{3,9}):\s+(?:\d+\s+)?(?=\D)/;

const RECORD = /PERF_RECORD_[A-Z0-9_]+(?: exec)?/y;
const EVENT = /([A-Za-z_][\w-]*(?::[\w-]+)*):(?=\s|$)/y;

/** False when the line has no such head. */
export function parseHead(text: string, head: PerfHead): boolean {
  const found = HEAD.exec(text);
  if (found === null) return false;
  head.tid = Number(found[3] ?? found[2]);
  head.pid = Number(found[2]);
  head.seconds = Number(found[4]);
  head.nanoseconds = Number(found[5]!.padEnd(9, '0'));
  const at = found[0].length;
  RECORD.lastIndex = at;
  const record = RECORD.exec(text);
  if (record !== null) {
    head.event = record[0];
    head.rest = RECORD.lastIndex;
    return true;
  }
  EVENT.lastIndex = at;
  const event = EVENT.exec(text);
  if (event === null) return false;
  head.event = event[1]!;
  head.rest = EVENT.lastIndex;
  return true;
}

const SPACE = 32;
const isDigitAt = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
};

/**
 * The same for the line of a page fault, whose event begins at `at`, read from there to the left:
 * ten times as fast. False when the line has another form; parseHead() may know it.
 */
export function parseFaultHead(text: string, at: number, head: PerfHead): boolean {
  let pos = at - 1;
  while (text.charCodeAt(pos) === SPACE) pos--;
  if (text.charCodeAt(pos) !== 58) return false;
  let scale = 1;
  let value = 0;
  let digits = 0;
  for (pos--; isDigitAt(text, pos); pos--, digits++) {
    value += (text.charCodeAt(pos) - 48) * scale;
    scale *= 10;
  }
  if (text.charCodeAt(pos) !== 46 || digits < 3 || digits > 9) return false;
  for (; digits < 9; digits++) value *= 10;
  head.nanoseconds = value;
  value = 0;
  scale = 1;
  for (pos--; isDigitAt(text, pos); pos--) {
    value += (text.charCodeAt(pos) - 48) * scale;
    scale *= 10;
  }
  head.seconds = value;
  while (text.charCodeAt(pos) === SPACE) pos--;
  if (text.charCodeAt(pos) === 93) {
    while (pos > 0 && text.charCodeAt(pos) !== 91) pos--;
    pos--;
    while (text.charCodeAt(pos) === SPACE) pos--;
  }
  const end = pos;
  value = 0;
  scale = 1;
  for (; isDigitAt(text, pos); pos--) {
    value += (text.charCodeAt(pos) - 48) * scale;
    scale *= 10;
  }
  if (pos === end) return false;
  head.tid = value;
  head.pid = value;
  if (text.charCodeAt(pos) !== 47) return text.charCodeAt(pos) === SPACE;
  const slash = pos;
  value = 0;
  scale = 1;
  for (pos--; isDigitAt(text, pos); pos--) {
    value += (text.charCodeAt(pos) - 48) * scale;
    scale *= 10;
  }
  head.pid = value;
  return pos < slash - 1 && text.charCodeAt(pos) === SPACE;
}

/** A hexadecimal number as (page, byte in page), so that 64 bits fit. */
export interface PageAddress {
  vpn: number;
  offset: number;
}

/** Reads hex digits from `at`; -1 when there are none, else where they end. */
export function readHexAddress(text: string, at: number, out: PageAddress): number {
  let pos = at;
  let vpn = 0;
  // The last three digits, as they come: they move on into the page number.
  let low = 0;
  for (; ; pos++) {
    const code = text.charCodeAt(pos);
    const digit =
      code >= 48 && code <= 57
        ? code - 48
        : code >= 97 && code <= 102
          ? code - 87
          : code >= 65 && code <= 70
            ? code - 55
            : -1;
    if (digit < 0) break;
    vpn = vpn * 16 + (low >> 8);
    low = ((low & 255) << 4) | digit;
  }
  if (pos === at) return -1;
  out.vpn = vpn;
  out.offset = low;
  return pos;
}
