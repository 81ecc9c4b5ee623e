/** A comparison as a table: side by side or in one column, equal lines far from any difference folded away. */
import { useMemo, useState } from 'preact/hooks';
import { StateBox } from '../../ui/states';
import { diffRows, foldedRows, unifiedRows, type DiffLine, type DiffRow } from '../configs/difference';
import { text } from '../configs/messages';

/** One side. */
interface DiffSide {
  name: string;
  content: string;
}

/** The table. */
export function DifferenceTable({ left, right, isUnified }: { left: DiffSide; right: DiffSide; isUnified: boolean }) {
  const rows = useMemo(() => diffRows(left.content, right.content), [left.content, right.content]);
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  if (!rows) return <StateBox kind="problem" title={text('tooDifferent')} />;
  if (rows.every((row) => row.kind === 'same')) return <p>{text('equal.ends')}</p>;
  const columns = isUnified ? 4 : 6;
  const shown = foldedRows(isUnified ? unifiedRows(rows) : rows);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={`${left.name} / ${right.name}`}>
      <table class="diff">
        <thead><HeadRow left={left.name} right={right.name} isUnified={isUnified} /></thead>
        <tbody>
          {shown.flatMap((one, at) => {
            if ('row' in one) return [<Row key={at} row={one.row} isUnified={isUnified} />];
            if (opened.has(at)) return one.folded.map((row, n) => <Row key={`${at} ${n}`} row={row} isUnified={isUnified} />);
            return [<FoldRow key={at} count={one.folded.length} columns={columns} onOpen={() => setOpened(new Set([...opened, at]))} />];
          })}
        </tbody>
      </table>
    </div>
  );
}

function HeadRow({ left, right, isUnified }: { left: string; right: string; isUnified: boolean }) {
  if (isUnified) {
    return <tr><th class="line" scope="col">{left}</th><th class="line" scope="col">{right}</th><th colSpan={2} scope="col">{text('content')}</th></tr>;
  }
  return <tr><th colSpan={3} scope="colgroup">{left}</th><th colSpan={3} scope="colgroup">{right}</th></tr>;
}

function FoldRow({ count, columns, onOpen }: { count: number; columns: number; onOpen: () => void }) {
  return <tr><td colSpan={columns}><button type="button" class="small" aria-expanded={false} onClick={onOpen}>{text.count('folded', count)}</button></td></tr>;
}

function Row({ row, isUnified }: { row: DiffRow; isUnified: boolean }) {
  const isSame = row.kind === 'same';
  if (!isUnified) return <tr><Side line={row.left} isSame={isSame} mark="−" kind="removed" /><Side line={row.right} isSame={isSame} mark="+" kind="added" /></tr>;
  const kind = isSame ? '' : row.left ? 'removed' : 'added';
  return (
    <tr class={kind}>
      <td class="line">{row.left?.number}</td>
      <td class="line">{row.right?.number}</td>
      <td class="mark">{isSame ? '' : row.left ? '−' : '+'}</td>
      <td>{(row.left ?? row.right)?.text}</td>
    </tr>
  );
}

function Side({ line, isSame, mark, kind }: { line: DiffLine | null; isSame: boolean; mark: string; kind: string }) {
  if (!line) return <td class="nothing" colSpan={3} />;
  const ground = isSame ? undefined : kind;
  return <><td class={`line ${ground ?? ''}`}>{line.number}</td><td class={`mark ${ground ?? ''}`}>{isSame ? '' : mark}</td><td class={ground}>{line.text}</td></>;
}
