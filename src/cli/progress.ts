/** A line on stderr that says how far a long run is: only on a terminal, and gone at the end. */
const INTERVAL_MS = 120;
/** Runs that are shorter than this never show it. */
const DELAY_MS = 500;
/** Steps between two looks at the clock. */
const STRIDE = 256;

export class Progress {
  readonly #label: string;
  readonly #active: boolean;
  readonly #begin = performance.now();
  #last = 0;
  #calls = 0;

  constructor(label: string, wanted: boolean) {
    this.#label = label;
    this.#active = wanted && process.stderr.isTTY === true;
  }

  /** To be handed to a run. */
  readonly report = (done: number, total: number): void => {
    if (!this.#active || ++this.#calls % STRIDE !== 0) return;
    const now = performance.now() - this.#begin;
    if (now < DELAY_MS || now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    const percent = Math.floor((done * 100) / total);
    const label = this.#label.length > 48 ? `…${this.#label.slice(-47)}` : this.#label;
    process.stderr.write(`\r${label}: ${done} of ${total} steps, ${percent} %\x1b[K`);
  };

  end(): void {
    if (this.#last > 0) process.stderr.write('\r\x1b[K');
  }
}

/** One line on stderr that is written over; only on a terminal, and gone at the end. */
export class CounterLine {
  readonly #active: boolean;
  #last = 0;

  constructor(wanted: boolean) {
    this.#active = wanted && process.stderr.isTTY === true;
  }

  show(text: string): void {
    const now = performance.now();
    if (!this.#active || now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    const columns = process.stderr.columns ?? 80;
    process.stderr.write(`\r${text.slice(0, columns - 1)}\x1b[K`);
  }

  end(): void {
    if (this.#last > 0) process.stderr.write('\r\x1b[K');
    this.#last = 0;
  }
}
