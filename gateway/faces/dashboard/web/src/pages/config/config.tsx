/** One config item: what each cluster has, and two contents beside each other once somebody asks to see them. */
import { useState } from 'preact/hooks';
import { ask } from '../../api/client';
import { useLive } from '../../live/useLive';
import { may } from '../../gateway';
import { pathOf, type PathParts } from '../../router';
import { FreshnessBadge, Pill, TimeMark } from '../../ui/badges';
import { CopyButton, PageFrame, PagePanel } from '../../ui/panel';
import { LiveView } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { words } from '../../i18n/words';
import { CopyCell } from '../configs/configs';
import { text } from '../configs/messages';
import type { ConfigCopy, ConfigDocument, ConfigName, ConfigsDocument, ConfigSummary } from '../configs/types';
import { versionLetters } from '../configs/versions';
import { configCommand } from './commands';
import { ContentsView } from './contents';

/** The page. */
export default function ConfigPage({ parts }: { parts: PathParts }) {
  const name: ConfigName = { namespaceId: parts['ns'] ?? '', groupName: parts['group'] ?? '', dataId: parts['dataId'] ?? '' };
  const url = configUrl('/v1/configs', name);
  const live = useLive<ConfigsDocument>({ key: url, topics: ['configs', 'clusters'], fetch: (signal) => ask(url, {}, signal) });
  const command = configCommand(name, location.origin);
  return (
    <PageFrame title={name.dataId}>
      <p class="muted">{text('where', { group: name.groupName, namespace: name.namespaceId })}</p>
      <PagePanel title={text('copies')} live={live}>
        <LiveView of={live}>{(data) => <Copies name={name} of={data.configs.find((one) => isNamed(one, name))} />}</LiveView>
      </PagePanel>
      <PagePanel title={text('commands')}>
        <p class="row"><code>{command}</code><CopyButton text={command} /></p>
      </PagePanel>
    </PageFrame>
  );
}

/** The address of a document about a config item; the empty namespace is said as well. */
export function configUrl(path: string, { namespaceId, groupName, dataId }: ConfigName): string {
  return `${path}?${new URLSearchParams({ namespaceId, groupName, dataId })}`;
}

/** Names are patterns to the list: what else fits is not meant. */
function isNamed(one: ConfigSummary, name: ConfigName): boolean {
  return one.namespaceId === name.namespaceId && one.groupName === name.groupName && one.dataId === name.dataId;
}

function Copies({ name, of }: { name: ConfigName; of: ConfigSummary | undefined }) {
  if (!of) return <MissingConfig name={name} />;
  const letters = versionLetters(of.clusters);
  const rows = Object.entries(of.clusters).sort(([a], [b]) => (a < b ? -1 : 1));
  const columns: TableColumn<[string, ConfigCopy]>[] = [
    { key: 'cluster', head: words('cluster'), isRowHead: true, cell: ([cluster]) => <a href={pathOf('clusters', cluster)}>{cluster}</a> },
    { key: 'content', head: text('content'), cell: ([cluster, copy]) => <CopyCell copy={copy} letter={letters[cluster]} /> },
    { key: 'md5', head: text('md5'), cell: ([, copy]) => <code>{copy.md5}</code> },
    { key: 'size', head: text('size'), isNumber: true, cell: ([, copy]) => text('bytes', { n: copy.bytes }) },
    { key: 'type', head: text('type'), cell: ([, copy]) => copy.type },
    { key: 'modified', head: text('modified'), cell: ([, copy]) => (copy.lastModifiedMs ? <TimeMark atMs={copy.lastModifiedMs} /> : '–') },
    { key: 'freshness', head: text('freshness'), cell: ([, copy]) => (copy.freshness ? <FreshnessBadge of={{ freshness: copy.freshness }} /> : '–') },
  ];
  return (
    <div class="stack">
      <DataTable
        caption={text('copies')} hideCaption columns={columns} rows={rows} rowKey={([cluster]) => cluster}
        rowClass={([, copy]) => (copy.freshness !== undefined && copy.freshness !== 'live' ? 'stale' : undefined)}
      />
      <HiddenContents name={name} of={of} />
    </div>
  );
}

/** Contents are not even asked for before somebody wants to see them. */
function HiddenContents({ name, of }: { name: ConfigName; of: ConfigSummary }) {
  const [isShown, setShown] = useState(false);
  if (!may('readContents')) return <p><Pill tone="info">{text('contents.right')}</Pill></p>;
  return (
    <section class="stack" aria-label={text('contents')}>
      <div class="row">
        <h3>{text('contents')}</h3>
        <button type="button" aria-expanded={isShown} onClick={() => setShown(!isShown)}>{isShown ? text('contents.hide') : text('contents.show')}</button>
        {!isShown && <span class="muted">{text('contents.hidden')}</span>}
      </div>
      {isShown && <AskedContents name={name} of={of} />}
    </section>
  );
}

function AskedContents({ name, of }: { name: ConfigName; of: ConfigSummary }) {
  const url = configUrl('/v1/config', name);
  const live = useLive<ConfigDocument>({ key: url, topics: ['configs'], fetch: (signal) => ask(url, {}, signal) });
  return <LiveView of={live}>{(data) => <ContentsView items={data.items} copies={of.clusters} />}</LiveView>;
}

/** Asked for by its name alone, the gateway says where it looked. */
function MissingConfig({ name }: { name: ConfigName }) {
  const url = configUrl('/v1/config', name);
  const live = useLive<ConfigDocument>({ key: url, topics: ['configs'], fetch: (signal) => ask(url, {}, signal) });
  return <LiveView of={live}>{() => null}</LiveView>;
}
