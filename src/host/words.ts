/** A growing buffer of 32-bit words: the form in which frames travel to the executor. */
import type { U64 } from '../base/index.ts';

export class Words {
  #words = new Uint32Array(1024);
  length = 0;

  #need(count: number): void {
    if (this.length + count <= this.#words.length) return;
    const wider = new Uint32Array((this.length + count) * 2);
    wider.set(this.#words.subarray(0, this.length));
    this.#words = wider;
  }

  put(word: number): void {
    this.#need(1);
    this.#words[this.length++] = word;
  }

  put64(value: U64): void {
    this.put(value.lo);
    this.put(value.hi);
  }

  /** Bytes, padded with zeros to whole words. The machine is little-endian (x86-64). */
  putBytes(bytes: Uint8Array): void {
    const words = Math.ceil(bytes.length / 4);
    this.#need(words);
    this.#words.fill(0, this.length, this.length + words);
    new Uint8Array(this.#words.buffer).set(bytes, this.length * 4);
    this.length += words;
  }

  /** Leaves a word to be filled by `fill`, for a length that is not known yet. */
  hole(): number {
    this.put(0);
    return this.length - 1;
  }

  /** Sets the hole to the number of words that followed it. */
  fill(hole: number): void {
    this.#words[hole] = this.length - hole - 1;
  }

  set(at: number, word: number): void {
    this.#words[at] = word;
  }

  get(at: number): number {
    return this.#words[at]!;
  }

  append(other: Words): void {
    this.#need(other.length);
    this.#words.set(other.#words.subarray(0, other.length), this.length);
    this.length += other.length;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer, 0, this.length * 4);
  }
}
