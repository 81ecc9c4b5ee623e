/** Where arrow keys lead. */

/** The index that `key` leads to from `at` in a row of `count`, around its ends; null if it leads nowhere. */
export function movedIndex(key: string, at: number, count: number): number | null {
  if (count === 0) return null;
  switch (key) {
    case 'ArrowRight': return (at + 1) % count;
    case 'ArrowLeft': return (at - 1 + count) % count;
    case 'Home': return 0;
    case 'End': return count - 1;
    default: return null;
  }
}

/** A cell of a grid, from 0. */
export interface GridCell {
  row: number;
  column: number;
}

/** The cell that `key` leads to in a grid; null if it leads nowhere. Edges are not crossed. `toEnds`: with the control key. */
export function movedCell(key: string, at: GridCell, rows: number, columns: number, toEnds = false): GridCell | null {
  const { row, column } = at;
  switch (key) {
    case 'ArrowRight': return column + 1 < columns ? { row, column: column + 1 } : null;
    case 'ArrowLeft': return column > 0 ? { row, column: column - 1 } : null;
    case 'ArrowDown': return row + 1 < rows ? { row: row + 1, column } : null;
    case 'ArrowUp': return row > 0 ? { row: row - 1, column } : null;
    case 'Home': return { row: toEnds ? 0 : row, column: 0 };
    case 'End': return { row: toEnds ? rows - 1 : row, column: columns - 1 };
    default: return null;
  }
}
