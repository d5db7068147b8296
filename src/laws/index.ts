export { LAWS, type Law, type LawName, VIOLATIONS_MAX, type Violation } from './law.ts';
export { LawBook } from './law_book.ts';
export type { Effect } from './shadow.ts';
export { folioWords, inodeWords, pageWords } from './words.ts';
