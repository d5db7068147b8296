/**
 * A trace that another program rewrote (DuckDB's COPY, say, to cut a part out of it): the same
 * columns in other encodings, maybe with nulls. Read with a general library, and more slowly.
 */
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { EVENT_COLUMNS, type Events, growEvents, OP_NAMES } from '../trace/index.ts';

const OP_NUMBERS = new Map<string, number>(OP_NAMES.map((name, op) => [name, op]));
const ROWS_AT_ONCE = 1 << 16;

/** Fills `events`; a sentence when the file cannot be read. */
export async function readForeign(
  path: string,
  events: Events,
  place: (name: string) => number,
): Promise<string | undefined> {
  const rows = events.time.length;
  try {
    const file = await asyncBufferFromFile(path);
    for (let from = 0; from < rows; from += ROWS_AT_ONCE) {
      const found = await parquetReadObjects({
        file,
        columns: [...EVENT_COLUMNS],
        rowStart: from,
        rowEnd: Math.min(rows, from + ROWS_AT_ONCE),
      });
      for (const record of found) addRow(events, record, place);
    }
    return undefined;
  } catch (error) {
    return `this trace was rewritten in a form that cannot be read: ${(error as Error).message}`;
  }
}

function addRow(
  events: Events,
  record: Record<string, unknown>,
  place: (name: string) => number,
): void {
  const row = events.rows;
  if (row === events.time.length) growEvents(events, row + 1);
  for (const column of EVENT_COLUMNS) {
    const value = record[column];
    if (column === 'op') events.op[row] = OP_NUMBERS.get(String(value)) ?? 0;
    else if (column === 'name') events.name[row] = place(String(value ?? ''));
    else events[column][row] = Number(value ?? 0);
  }
  events.rows = row + 1;
}
