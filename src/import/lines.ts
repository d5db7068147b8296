/** Text that arrives in pieces, cut into lines; a line that a piece's edge cuts is put together. */
const LINE_MOST = 1 << 20;

export class Lines {
  /** Number of the line that was given last. */
  number = 0;
  /** True when the text did not end with a newline. */
  cut = false;
  readonly #take: (line: string, number: number) => void;
  readonly #tooLong: (number: number) => void;
  #rest = '';
  #skips = false;

  constructor(take: (line: string, number: number) => void, tooLong: (number: number) => void) {
    this.#take = take;
    this.#tooLong = tooLong;
  }

  push(piece: string): void {
    let from = 0;
    for (;;) {
      const end = piece.indexOf('\n', from);
      if (end < 0) break;
      const head = this.#rest;
      this.#rest = '';
      this.number++;
      if (this.#skips) {
        this.#skips = false;
      } else {
        const last = end > from && piece.charCodeAt(end - 1) === 13 ? end - 1 : end;
        const line = piece.slice(from, last);
        this.#take(head === '' ? line : trimReturn(head + line), this.number);
      }
      from = end + 1;
    }
    if (from === piece.length) return;
    if (this.#skips) return;
    this.#rest += piece.slice(from);
    if (this.#rest.length > LINE_MOST) {
      this.#tooLong(this.number + 1);
      this.#rest = '';
      this.#skips = true;
    }
  }

  end(): void {
    if (this.#rest === '') return;
    this.cut = true;
    this.number++;
    this.#take(trimReturn(this.#rest), this.number);
    this.#rest = '';
  }
}

function trimReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
