/**
 * The charts of a page of advice, as SVG text. They are drawn by Observable Plot into a document
 * without a browser; colours are the page's variables, so that one drawing serves light and dark.
 */
import type * as PlotLibrary from '@observablehq/plot';
import type { AdviceReport, HeatBand, HeatMap, Judged } from '../advise/index.ts';
/** Wide for a desk and for paper, narrow for a phone. */
export type Size = 'wide' | 'narrow';
/** What draws; loaded when there is something to draw, because that takes a while. */
export interface Kit {
    readonly Plot: typeof PlotLibrary;
    readonly newDocument: () => Document;
}
export declare function loadKit(): Promise<Kit>;
/** Settings worth a line of their own: the reference, the advice, the front between them. */
export declare function shownSettings(report: AdviceReport): Judged[];
/** The page's colour of the n-th line. */
export declare function lineColour(n: number): string;
/** Resident anonymous and shared memory over the time of the recording. */
export declare function memoryOverTime(kit: Kit, report: AdviceReport, size: Size): string;
/** Every setting by what it takes and what it gives; the front is a line. */
export declare function faultsAgainstMemory(kit: Kit, report: AdviceReport, size: Size): string;
/** What the memory near the peak is made of. */
export declare function folioOrders(kit: Kit, report: AdviceReport, size: Size): string;
/** The orders that any setting has, for the legend. */
export declare function ordersShown(report: AdviceReport): number[];
/** Shades of the map, by powers of the largest count. */
export declare const SHADES = 5;
export declare function bandName({ pid, start, pages }: HeatBand): string;
/** Where and when memory was touched first. */
export declare function firstTouches(kit: Kit, heat: HeatMap, size: Size): string;
