/** The advice as one page that needs nothing else: no script, no other file. */
import type { AdviceReport } from '../advise/index.ts';
/** Text of a trace is anybody's: it never becomes markup. */
export declare function escapeHtml(text: string): string;
export declare function advicePage(report: AdviceReport, version: string): Promise<string>;
