/** What narrows the list of services: a search field, selections, and what services are. Each counts what is left. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatNumber } from '../../i18n/formats';
import { words } from '../../i18n/words';
import { currentQuery, setQuery } from '../../router';
import { stateName, text } from './messages';
import { narrowed, toggledState, type ServicesQuery } from './query';
import { SERVICE_STATES, type ServiceFacets } from './types';

/** Milliseconds after the last key before the gateway is asked: who types on is not answered for every letter. */
const TYPING_MS = 100;

/** The filter. */
export function ServicesFilter({ query, facets }: { query: ServicesQuery; facets: ServiceFacets | undefined }) {
  return (
    <form class="services-filter" role="search" aria-label={text('filter')} onSubmit={(event) => event.preventDefault()}>
      <SearchField query={query} />
      <Selection label={words('namespace')} name="ns" chosen={query.namespace} counts={facets?.namespaces} />
      <Selection label={words('origin')} name="origin" chosen={query.origin || null} counts={facets?.origins} />
      <label class="field">
        <span>{text('group')}</span>
        <input value={query.group} onChange={(event) => setQuery(narrowed({ group: event.currentTarget.value.trim() }))} />
      </label>
      <fieldset class="facets">
        <legend>{text('states')}</legend>
        {SERVICE_STATES.map((state) => (
          <button
            key={state} type="button" class="facet" aria-pressed={query.states.includes(state)}
            onClick={() => setQuery(narrowed({ state: toggledState(query.states, state) }))}
          >
            {stateName(state)} {facets && <span class="facet-count">{formatNumber(facets[state] ?? 0)}</span>}
          </button>
        ))}
      </fieldset>
    </form>
  );
}

function SearchField({ query }: { query: ServicesQuery }) {
  const [typed, setTyped] = useState(query.q);
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const told = useRef(query.q);
  useEffect(() => {
    if (query.q === told.current) return; // The address says what was typed here.
    told.current = query.q;
    setTyped(query.q);
  }, [query.q]);
  useEffect(() => {
    if (currentQuery.value.get('focus') === 'q') {
      field.current?.focus();
      setQuery({ focus: null });
    }
    return () => clearTimeout(timer.current);
  }, []);
  const type = (value: string) => {
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      told.current = value.trim();
      setQuery(narrowed({ q: value.trim() }));
    }, TYPING_MS);
  };
  return (
    <label class="field search-field">
      <span>{text('search')}</span>
      <input
        ref={field} type="search" data-search value={typed} placeholder={text('searchHint')} autoComplete="off" spellcheck={false} maxLength={256}
        onInput={(event) => type(event.currentTarget.value)}
      />
    </label>
  );
}

function Selection(props: { label: string; name: 'ns' | 'origin'; chosen: string | null; counts: Record<string, number> | undefined }) {
  const { label, name, chosen, counts = {} } = props;
  const known = [...new Set([...Object.keys(counts), ...(chosen === null ? [] : [chosen])])].sort();
  return (
    <label class="field">
      <span>{label}</span>
      {/* Values have a mark before them: the empty namespace is one of its own, and not the same as all. */}
      <select value={chosen === null ? '' : `=${chosen}`} onChange={(event) => setQuery(narrowed({ [name]: event.currentTarget.value.slice(1) || null }))}>
        <option value="">{words('all')}</option>
        {known.map((value) => (
          <option key={value} value={`=${value}`}>{value}{counts[value] === undefined ? '' : ` (${formatNumber(counts[value])})`}</option>
        ))}
      </select>
    </label>
  );
}
