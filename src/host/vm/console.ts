/** What a virtual machine's kernel prints on its first serial port, and what of it matters. */

const LINES_MAX = 4000;
/** Lines that are shown behind a verdict. */
export const TAIL_LINES = 12;

const TIME = /^\[\s*\d+\.\d+\]\s?(\[[^\]]*\]\s)?/;

/** Lines with which the kernel says that something is wrong with itself. */
const COMPLAINT =
  /^(BUG: |WARNING: |kernel BUG at |Oops: |general protection fault|KASAN: |UBSAN: |INFO: (rcu|task|possible)|watchdog: BUG|page:.* is bad|.*Bad rss-counter state|list_(add|del) corruption|refcount_t: )/;

export class Console {
  readonly lines: string[] = [];
  #partial = '';
  /** Complaints before this line have been told. */
  #told = 0;
  /** When something was printed last (performance.now()). */
  lastAt = performance.now();

  push(chunk: Buffer): void {
    this.lastAt = performance.now();
    const text = this.#partial + chunk.toString('latin1');
    const lines = text.split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#add(line);
  }

  /** A line without the escape sequences that the firmware prints. */
  #add(line: string): void {
    const clean = line
      .split('\x1b')
      .map((part, i) => (i === 0 ? part : part.replace(/^(\[[0-9;?=]*[A-Za-z]|c)/, '')))
      .join('')
      .replaceAll('\r', '');
    this.lines.push(clean);
    if (this.lines.length > LINES_MAX) {
      this.lines.shift();
      this.#told = Math.max(0, this.#told - 1);
    }
  }

  /** All whole lines, and the beginning of the next. */
  all(): string[] {
    return this.#partial.trim() === '' ? this.lines : [...this.lines, this.#partial];
  }

  tail(): string[] {
    return this.all()
      .filter((line) => line.trim() !== '')
      .slice(-TAIL_LINES);
  }

  /** Text behind `mark` in the last line that has it. */
  after(mark: string): string | undefined {
    const line = this.all().findLast((text) => text.includes(mark));
    return line?.slice(line.indexOf(mark) + mark.length).trim();
  }

  has(pattern: RegExp): boolean {
    return this.all().some((line) => pattern.test(line));
  }

  /** Complaints since the last call. */
  complaints(): string[] {
    const fresh = this.lines.slice(this.#told).map((line) => line.replace(TIME, ''));
    this.#told = this.lines.length;
    return fresh.filter((line) => COMPLAINT.test(line));
  }
}
