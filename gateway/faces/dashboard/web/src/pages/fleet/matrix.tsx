/**
 * The link matrix: a grid with headers in which arrow keys move. One cell is in the order of the tabulator key; it stays the same one, by its
 * names, when rows come and go.
 *
 * Ages are those of the answer and do not tick: a matrix of fifty rows and columns has 2,500 of them, and is asked for every two seconds anyway.
 */
import { useRef, useState } from 'preact/hooks';
import type { LinkDocument, LinksDocument, ObserverDocument } from '../../api/types';
import { formatAge } from '../../i18n/formats';
import { ageText } from '../../i18n/words';
import { go, pathOf } from '../../router';
import { movedCell } from '../../ui/arrows';
import { freshnessLetter, freshnessName, Pill } from '../../ui/badges';
import { text } from './messages';
import { isSilent, observerKey, observerName } from './verdict';

/** The matrix of all gateways and origins. */
export function LinkMatrix({ links }: { links: LinksDocument }) {
  const { observers } = links;
  const origins = [...new Set(observers.flatMap((observer) => observer.links.map((link) => link.origin)))].sort();
  const [chosen, setChosen] = useState({ observer: '', origin: '' });
  const table = useRef<HTMLTableElement>(null);
  const row = Math.max(0, observers.findIndex((observer) => observerKey(observer) === chosen.observer));
  const column = Math.max(0, origins.indexOf(chosen.origin));
  const onKeyDown = (event: KeyboardEvent) => {
    if (!(event.target instanceof HTMLElement) || event.target.getAttribute('role') !== 'gridcell') return;
    if (event.key === 'Enter' && origins[column]) go(pathOf('clusters', origins[column]));
    const next = movedCell(event.key, { row, column }, observers.length, origins.length, event.ctrlKey);
    const observer = next && observers[next.row];
    if (!next || !observer) return;
    event.preventDefault();
    setChosen({ observer: observerKey(observer), origin: origins[next.column] ?? '' });
    table.current?.querySelector<HTMLElement>(`[data-cell="${next.row}-${next.column}"]`)?.focus();
  };
  return (
    <div class="table-scroll" role="group" aria-label={text('matrix')} tabIndex={0}>
      <table class="matrix" role="grid" ref={table} onKeyDown={onKeyDown}>
        <caption>{text('matrix.caption')}</caption>
        <thead>
          <tr>
            <th scope="col">{text('matrix.corner')}</th>
            {origins.map((origin) => <th key={origin} scope="col"><a href={pathOf('clusters', origin)}>{origin}</a></th>)}
          </tr>
        </thead>
        <tbody>
          {observers.map((observer, at) => (
            <ObserverRow key={observerKey(observer)} observer={observer} at={at} origins={origins} focusColumn={at === row ? column : null} onFocus={setChosen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ObserverRow(props: {
  observer: ObserverDocument;
  at: number;
  origins: readonly string[];
  focusColumn: number | null;
  onFocus: (cell: { observer: string; origin: string }) => void;
}) {
  const { observer, at, origins, focusColumn } = props;
  const [name, key] = [observerName(observer), observerKey(observer)];
  const byOrigin = new Map(observer.links.map((link) => [link.origin, link]));
  return (
    <tr class={isSilent(observer) ? 'stale' : undefined} data-observer={key} data-silent={isSilent(observer) ? 'true' : undefined}>
      <th scope="row">
        {name} {observer.own && <Pill tone="info">{text('matrix.own')}</Pill>} {observer.leads && <Pill>{text('matrix.leads')}</Pill>}
        {!observer.alive && <Pill tone="warn">{text('matrix.gone')}</Pill>}
        {!observer.own && observer.saidAgeMs !== null && <div class="muted">{text('matrix.said', { age: formatAge(observer.saidAgeMs) })}</div>}
      </th>
      {origins.map((origin, column) => (
        <td
          key={origin} role="gridcell" data-cell={`${at}-${column}`} data-origin={origin} tabIndex={focusColumn === column ? 0 : -1}
          data-observer={key} data-freshness={byOrigin.get(origin)?.freshness} data-verdict={byOrigin.get(origin)?.verdict}
          onFocus={() => props.onFocus({ observer: key, origin })}
        >
          {linkCell(name, origin, byOrigin.get(origin))}
        </td>
      ))}
    </tr>
  );
}

function linkCell(observer: string, origin: string, link: LinkDocument | undefined) {
  if (!link) return <MissingCell observer={observer} origin={origin} />;
  return <LinkCell observer={observer} origin={origin} freshness={link.freshness ?? 'unknown'} age={calmAge(link.ageMs)} verdict={link.verdict} />;
}

/** One cell. Its properties are plain values: where none of them changed it is not drawn anew, and most of 2,500 cells have not. */
function LinkCell(props: { observer: string; origin: string; freshness: string; age: string; verdict: string }) {
  const { observer, origin, freshness, age } = props;
  const verdict = text.maybe(`verdict.${props.verdict}`) ?? props.verdict;
  return (
    <>
      <span class="sr-only">{text('cell.label', { observer, origin, freshness: freshnessName(freshness), age, verdict })}</span>
      <span aria-hidden="true" title={verdict}>
        <span class={`badge fresh-${freshness}`}><span class="letter">{freshnessLetter(freshness)}</span></span> {age}{' '}
        <span class="verdict">{text.maybe(`sign.${props.verdict}`) ?? ''}</span>
      </span>
    </>
  );
}

function MissingCell({ observer, origin }: { observer: string; origin: string }) {
  return <span class="muted"><span class="sr-only">{text('cell.none', { observer, origin })}</span><span aria-hidden="true">{text('tile.unknown')}</span></span>;
}

/** The age in whole seconds: what is younger than one changes with every answer and says nothing. */
function calmAge(ageMs: number | null): string {
  return ageMs !== null && ageMs < 1000 ? text('age.now') : ageText(ageMs);
}
