/**
 * Names of folios, by their canonical number over a report: A, B, … Y, AA, AB, … Letters that a
 * picture of pages needs for something else (F file, G guard, K the kernel's, P page, S swap, Z zero)
 * and those that look like digits (I, L, O) are left out, so that the small form of a name is free to mean
 * "mapped read-only".
 */
const LETTERS = 'ABCDEHJMNQRTUVWXY';

export function folioName(folio: number): string {
  let name = '';
  for (let left = folio; left > 0; left = Math.floor((left - 1) / LETTERS.length)) {
    name = LETTERS[(left - 1) % LETTERS.length] + name;
  }
  return name;
}
