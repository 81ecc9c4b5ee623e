/** Two contents beside each other, line by line. */
import { diffLines } from 'diff';

/** A line of one side: its number from 1, and its text without the end of line. */
export interface DiffLine {
  number: number;
  text: string;
}

/** A row: what is on the left, on the right, or the same on both. */
export interface DiffRow {
  kind: 'same' | 'left' | 'right' | 'changed';
  left: DiffLine | null;
  right: DiffLine | null;
}

/** Longest time for comparing, milliseconds: two contents that have nothing in common would take for ever, and nobody would read that. */
const PATIENCE_MS = 1500;

/** The rows of a comparison; null if the contents are too different to be compared in time. */
export function diffRows(left: string, right: string): DiffRow[] | null {
  const parts = diffLines(unified(left), unified(right), { timeout: PATIENCE_MS });
  if (!parts) return null;
  const rows: DiffRow[] = [];
  const at = { left: 1, right: 1 };
  let removed: DiffLine[] = [];
  for (const part of [...parts, null]) {
    const lines = part ? linesOf(part.value) : [];
    if (part?.removed) {
      removed = lines.map((text) => ({ number: at.left++, text }));
    } else if (part?.added) {
      const added = lines.map((text) => ({ number: at.right++, text }));
      rows.push(...paired(removed, added));
      removed = [];
    } else {
      rows.push(...paired(removed, []));
      removed = [];
      for (const text of lines) rows.push({ kind: 'same', left: { number: at.left++, text }, right: { number: at.right++, text } });
    }
  }
  return rows;
}

/** A last line without an end is the same line as with one: whether there is one is told apart by the digests alone. */
function unified(content: string): string {
  const text = content.replaceAll('\r\n', '\n');
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function linesOf(value: string): string[] {
  const lines = value.split('\n');
  return value.endsWith('\n') ? lines.slice(0, -1) : lines;
}

function paired(removed: readonly DiffLine[], added: readonly DiffLine[]): DiffRow[] {
  return Array.from({ length: Math.max(removed.length, added.length) }, (_, at): DiffRow => {
    const [left, right] = [removed[at] ?? null, added[at] ?? null];
    return { kind: left && right ? 'changed' : left ? 'left' : 'right', left, right };
  });
}

/** The same for one column: what is on the left before what is on the right. */
export function unifiedRows(rows: readonly DiffRow[]): DiffRow[] {
  const one: DiffRow[] = [];
  let waiting: DiffRow[] = [];
  for (const row of rows) {
    if (row.kind === 'same') {
      one.push(...waiting, row);
      waiting = [];
      continue;
    }
    if (row.left) one.push({ kind: 'left', left: row.left, right: null });
    if (row.right) waiting.push({ kind: 'right', left: null, right: row.right });
  }
  return [...one, ...waiting];
}

/** A run of rows, or how many equal ones are folded away. */
export type FoldedRow = { row: DiffRow } | { folded: DiffRow[] };

/** Equal rows further than `around` from a difference, folded: what differs in a long content is seen at once. */
export function foldedRows(rows: readonly DiffRow[], around = 3): FoldedRow[] {
  const near = rows.map(() => false);
  rows.forEach((row, at) => {
    if (row.kind === 'same') return;
    for (let one = Math.max(0, at - around); one <= Math.min(rows.length - 1, at + around); one++) near[one] = true;
  });
  const out: FoldedRow[] = [];
  for (const [at, row] of rows.entries()) {
    const last = out.at(-1);
    if (near[at]) out.push({ row });
    else if (last && 'folded' in last) last.folded.push(row);
    else out.push({ folded: [row] });
  }
  return out;
}
