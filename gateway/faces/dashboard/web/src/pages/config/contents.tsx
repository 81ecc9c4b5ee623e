/** Two clusters' contents of a config item beside each other, or one below the other; or the only one that there is. */
import { currentQuery, setQuery } from '../../router';
import { CopyButton } from '../../ui/panel';
import { StateBox } from '../../ui/states';
import { text } from '../configs/messages';
import type { ConfigContent, ConfigCopy } from '../configs/types';
import { chosenPair } from '../configs/versions';
import { DifferenceTable } from './difference';

/** Contents of `items`, two at a time. */
export function ContentsView({ items, copies }: { items: ConfigContent[]; copies: Record<string, ConfigCopy> }) {
  const query = currentQuery.value;
  const pair = chosenPair(copies, query.get('left') ?? '', query.get('right') ?? '');
  const of = (cluster: string) => items.find((item) => item.origin === cluster);
  if (!pair) {
    const [only] = items;
    return only ? <><p>{text('contents.one', { cluster: only.origin })}</p><OneContent of={only} /></> : null;
  }
  const [left, right] = [of(pair[0]), of(pair[1])];
  const isUnified = query.get('view') === 'unified';
  return (
    <div class="stack">
      <div class="row">
        <SideChoice label={text('left')} name="left" chosen={pair[0]} other={pair[1]} clusters={Object.keys(copies).sort()} />
        <SideChoice label={text('right')} name="right" chosen={pair[1]} other={pair[0]} clusters={Object.keys(copies).sort()} />
        <label class="row">
          <span>{text('view')}</span>
          <select value={isUnified ? 'unified' : 'split'} onChange={(event) => setQuery({ view: event.currentTarget.value === 'unified' ? 'unified' : null })}>
            <option value="split">{text('view.split')}</option>
            <option value="unified">{text('view.unified')}</option>
          </select>
        </label>
      </div>
      <PairView left={left} right={right} isUnified={isUnified} />
    </div>
  );
}

function SideChoice(props: { label: string; name: 'left' | 'right'; chosen: string; other: string; clusters: string[] }) {
  const { label, name, chosen, other, clusters } = props;
  const opposite = name === 'left' ? 'right' : 'left';
  return (
    <label class="row">
      <span>{label}</span>
      <select value={chosen} onChange={(event) => setQuery({ [name]: event.currentTarget.value, [opposite]: other })}>
        {clusters.filter((cluster) => cluster !== other).map((cluster) => <option key={cluster} value={cluster}>{cluster}</option>)}
      </select>
    </label>
  );
}

function PairView({ left, right, isUnified }: { left: ConfigContent | undefined; right: ConfigContent | undefined; isUnified: boolean }) {
  const sealed = [left, right].filter((one): one is ConfigContent => one !== undefined && one.content === null);
  if (!left || !right) return null;
  if (left.content === null || right.content === null) {
    const readable = [left, right].filter((one) => one.content !== null);
    return <>{sealed.map((one) => <SealedNote key={one.origin} of={one} />)}{readable.map((one) => <OneContent key={one.origin} of={one} />)}</>;
  }
  if (left.content === right.content) return <><p>{text('equal')}</p><OneContent of={left} /></>;
  return <DifferenceTable left={{ name: left.origin, content: left.content }} right={{ name: right.origin, content: right.content }} isUnified={isUnified} />;
}

function OneContent({ of }: { of: ConfigContent }) {
  if (of.content === null) return <SealedNote of={of} />;
  return <div><CopyButton text={of.content} /><pre class="content" tabIndex={0}>{of.content}</pre></div>;
}

function SealedNote({ of }: { of: ConfigContent }) {
  return <StateBox kind="sealed" title={text('sealed.what', { cluster: of.origin, key: of.sealed?.keyId ?? '' })} />;
}
