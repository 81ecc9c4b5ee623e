/** A real table: headers that are read, sorting by buttons, and rows that say which of all rows they are when not all are shown. */
import type { ComponentChildren } from 'preact';
import { shell } from './messages';

/** A column of a table of `Row`s. */
export interface TableColumn<Row> {
  /** Names it; also what `sort` is called if it can be sorted by. */
  key: string;
  /** The head of the column, in the reader's language. */
  head: string;
  cell: (row: Row) => ComponentChildren;
  /** Numbers stand at the end of their column. */
  isNumber?: boolean;
  /** Whether its cells name their rows. */
  isRowHead?: boolean;
  /** Whether the table can be sorted by it. */
  isSortable?: boolean;
}

/** What a table is sorted by. */
export interface TableOrder {
  key: string;
  direction: 'ascending' | 'descending';
}

/** A table of rows. */
export function DataTable<Row>(props: {
  /** What the table lists; read aloud, and seen unless `hideCaption`. */
  caption: string;
  hideCaption?: boolean;
  columns: readonly TableColumn<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** A class for a row, such as `stale`. */
  rowClass?: (row: Row) => string | undefined;
  /** Attributes `data-…` of a row, for whoever looks at the page by program. */
  rowData?: (row: Row) => Record<`data-${string}`, string | number | undefined>;
  /** Of how many rows these are some; absent: all are shown. */
  total?: number;
  /** How many rows of the total stand before these. */
  offset?: number;
  order?: TableOrder;
  onSort?: (key: string) => void;
}) {
  const { columns, rows, total, offset = 0, order, onSort } = props;
  const isPart = total !== undefined && total > rows.length;
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label={props.caption}>
      <table aria-rowcount={isPart ? total + 1 : undefined}>
        <caption class={props.hideCaption ? 'sr-only' : undefined}>{props.caption}</caption>
        <thead>
          <tr aria-rowindex={isPart ? 1 : undefined}>
            {columns.map((column) => <HeadCell key={column.key} column={column} order={order} onSort={onSort} />)}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={props.rowKey(row)} class={props.rowClass?.(row)} {...props.rowData?.(row)} aria-rowindex={isPart ? offset + at + 2 : undefined}>
              {columns.map((column) => {
                const kind = column.isNumber ? 'number' : undefined;
                if (column.isRowHead) return <th key={column.key} scope="row" class={kind}>{column.cell(row)}</th>;
                return <td key={column.key} class={kind}>{column.cell(row)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function HeadCell<Row>(props: { column: TableColumn<Row>; order: TableOrder | undefined; onSort: ((key: string) => void) | undefined }) {
  const { column, order, onSort } = props;
  const direction = order?.key === column.key ? order.direction : undefined;
  const kind = column.isNumber ? 'number' : undefined;
  if (!column.isSortable || !onSort) return <th scope="col" class={kind}>{column.head}</th>;
  return (
    <th scope="col" class={kind} aria-sort={direction ?? 'none'}>
      <button type="button" class="sort" title={shell('table.sortBy', { column: column.head })} onClick={() => onSort(column.key)}>
        {column.head}
        <span aria-hidden="true" class="sort-mark">{direction === 'ascending' ? '▲' : direction === 'descending' ? '▼' : '↕'}</span>
      </button>
    </th>
  );
}

/** Goes from page to page of a list; `page` counts from 1. */
export function Pager(props: { page: number; pageSize: number; total: number; onPage: (page: number) => void }) {
  const { page, pageSize, total, onPage } = props;
  if (total <= pageSize && page === 1) return null;
  const from = (page - 1) * pageSize + 1;
  const to = Math.min(total, page * pageSize);
  return (
    <nav class="pager" aria-label={shell('page.nav')}>
      <button type="button" disabled={page <= 1} onClick={() => onPage(page - 1)}>{shell('page.previous')}</button>
      <span>{shell('page.of', { from, to, total })}</span>
      <button type="button" disabled={to >= total} onClick={() => onPage(page + 1)}>{shell('page.next')}</button>
    </nav>
  );
}

/** Says that rows changed which the table does not show yet, so that nothing jumps under a hand. */
export function ChangesPill({ waiting, onShow }: { waiting: number; onShow: () => void }) {
  if (waiting === 0) return null;
  return <button type="button" class="changes-pill" data-pill onClick={onShow}>{shell.count('changes', waiting)}</button>;
}
