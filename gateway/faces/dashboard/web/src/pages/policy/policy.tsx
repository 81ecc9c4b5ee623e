/** The routing policy: what is in force and since when, where it comes from, and the lines of it that were refused. */
import { ask } from '../../api/client';
import { useLive } from '../../live/useLive';
import { Pill, TimeMark } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { LiveView } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { words } from '../../i18n/words';
import { JsonText } from '../service/json';
import { text } from './messages';
import type { PolicyDocument, PolicyMistake, PolicySource } from './types';
import '../service/service.css';

/** The page. */
export default function PolicyPage() {
  const live = useLive<PolicyDocument>({ key: 'policy', topics: ['policy'], fetch: (signal) => ask('/v1/policy', {}, signal) });
  return (
    <PageFrame title={text('title')}>
      <PagePanel title={text('inForce')} live={live}>
        <LiveView of={live}>{(data) => <InForce of={data} />}</LiveView>
      </PagePanel>
      <PagePanel title={text('sources')} live={live}>
        <LiveView of={live}>{(data) => <Sources of={data.sources} />}</LiveView>
      </PagePanel>
      <PagePanel title={text('document')} live={live}>
        <LiveView of={live}>{(data) => <Rules of={data} />}</LiveView>
      </PagePanel>
    </PageFrame>
  );
}

function InForce({ of: { version, source, sinceMs, md5 } }: { of: PolicyDocument }) {
  return (
    <dl class="facts">
      <dt>{text('version')}</dt><dd>{version}</dd>
      <dt>{text('source')}</dt><dd>{kindName(source.kind)} {source.name && <code>{source.name}</code>}</dd>
      <dt>{text('since')}</dt><dd>{sinceMs === null ? words('none') : <TimeMark atMs={sinceMs} />}</dd>
      <dt>{text('md5')}</dt><dd>{md5 === null ? words('none') : <code>{md5}</code>}</dd>
    </dl>
  );
}

function kindName(kind: string): string {
  return text.maybe(`kind.${kind}`) ?? kind;
}

function Sources({ of }: { of: PolicySource[] }) {
  const columns: TableColumn<PolicySource>[] = [
    { key: 'source', head: text('source'), isRowHead: true, cell: (row) => <>{kindName(row.kind)} {row.name && <code>{row.name}</code>}</> },
    { key: 'state', head: text('state'), cell: (row) => <SourceState of={row} /> },
  ];
  return (
    <div class="stack">
      {of.length === 0 ? <p>{text('sources.none')}</p> : <DataTable caption={text('sources')} hideCaption columns={columns} rows={of} rowKey={(row) => `${row.kind} ${row.name}`} />}
      {of.map((source) => source.refused && <Refused key={`${source.kind} ${source.name}`} of={source} />)}
    </div>
  );
}

function SourceState({ of: { state, refused } }: { of: PolicySource }) {
  return (
    <>
      <Pill tone={refused ? 'bad' : state === 'present' ? 'ok' : 'plain'}>{refused ? text('refused') : text.maybe(`state.${state}`) ?? state}</Pill>
      {refused && <> <TimeMark atMs={refused.atMs} /></>}
    </>
  );
}

/** A document that counts for nothing, by its mistakes. */
function Refused({ of: { kind, name, refused } }: { of: PolicySource }) {
  const columns: TableColumn<PolicyMistake>[] = [
    { key: 'line', head: text('line'), isRowHead: true, isNumber: true, cell: (row) => `${row.line ?? '–'}:${row.column ?? '–'}` },
    { key: 'field', head: text('field'), cell: (row) => <code>{row.field}</code> },
    { key: 'problem', head: text('problem'), cell: (row) => row.problem },
    { key: 'expected', head: text('expected'), cell: (row) => row.expected },
  ];
  return (
    <div data-policy="refused" role="alert">
      <DataTable
        caption={text('refused.caption', { source: `${kindName(kind)} ${name ?? ''}` })} columns={columns} rows={refused?.mistakes ?? []}
        rowKey={(row) => `${row.line} ${row.column} ${row.field}`}
      />
    </div>
  );
}

function Rules({ of: { document } }: { of: PolicyDocument }) {
  const { services, ...rest } = document;
  return (
    <div class="stack">
      <h3>{text('forAll')}</h3>
      <dl class="facts">
        {Object.entries(rest).flatMap(([key, value]) => [<dt key={key}><code>{key}</code></dt>, <dd key={`${key} value`}><code>{shortText(value)}</code></dd>])}
      </dl>
      <h3>{text('forServices')}</h3>
      {services.length === 0 ? <p>{text('forServices.none')}</p> : <JsonText of={services} />}
    </div>
  );
}

function shortText(value: unknown): string {
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return isEmpty ? words('none') : typeof value === 'string' ? value : JSON.stringify(value);
}
