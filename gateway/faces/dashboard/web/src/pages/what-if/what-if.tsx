/** What callers everywhere would get if clusters were lost, drained, or places unhealthy; and the way from there to the wizard. */
import { ask } from '../../api/client';
import type { ClustersDocument, ComparisonDocument } from '../../api/types';
import { may } from '../../gateway';
import { useLive } from '../../live/useLive';
import { currentQuery, setQuery, urlOf, type QueryValue } from '../../router';
import { PageFrame, PagePanel } from '../../ui/panel';
import { EmptyState, LiveView } from '../../ui/states';
import { ComparisonView } from '../comparison/comparison';
import { wizardUrl } from '../drains/draft';
import { text } from './messages';
import { questionOf, suppositionOf, type Supposition } from './suppose';

/** The page. */
export default function WhatIfPage() {
  const supposed = suppositionOf(currentQuery.value);
  const clusters = useLive<ClustersDocument>({ key: 'clusters', topics: ['clusters'], fetch: (signal) => ask('/v1/clusters', {}, signal) });
  const names = (clusters.state.value.data?.clusters ?? []).map((it) => it.cluster);
  const question = questionOf(supposed);
  return (
    <PageFrame title={text('title')}>
      <SupposeForm of={supposed} names={names} />
      {question === null ? <EmptyState title={text('nothing')}><p>{text('nothing.do')}</p></EmptyState> : <Answer question={question} supposed={supposed} />}
    </PageFrame>
  );
}

function Answer({ question, supposed }: { question: Record<string, QueryValue>; supposed: Supposition }) {
  const live = useLive<ComparisonDocument>({
    key: urlOf('', question), topics: ['drains', 'policy', 'holds', 'clusters'], fetch: (signal) => ask('/v1/what-if', question, signal),
  });
  const handOver = supposed.drain !== '' && may('operate') && (
    <a class="button primary" href={wizardUrl({ cluster: supposed.drain, percent: supposed.percent })}>{text('wizard')}</a>
  );
  return (
    <PagePanel title={text('result')} live={live} actions={handOver}>
      <LiveView of={live}>{(data) => <ComparisonView of={data} />}</LiveView>
    </PagePanel>
  );
}

function SupposeForm({ of, names }: { of: Supposition; names: readonly string[] }) {
  const submit = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const drain = String(form.get('drain') ?? '');
    setQuery({
      lost: form.getAll('lost').map(String),
      drain,
      percent: drain === '' ? null : String(form.get('percent') ?? '100'),
      unhealthy: String(form.get('unhealthy') ?? '').trim(),
    }, 'push');
  };
  return (
    <form class="panel form" onSubmit={submit} key={urlOf('', { ...of })}>
      <h2>{text('suppose')}</h2>
      <fieldset>
        <legend>{text('lost')}</legend>
        <div class="row">
          {names.map((name) => <label key={name} class="check"><input type="checkbox" name="lost" value={name} defaultChecked={of.lost.includes(name)} />{name}</label>)}
        </div>
      </fieldset>
      <div class="form-row">
        <label class="field">
          {text('drain')}
          <select name="drain" defaultValue={of.drain}>
            <option value="" selected={of.drain === ''}>{text('drain.none')}</option>
            {names.map((name) => <option key={name} value={name} selected={name === of.drain}>{name}</option>)}
          </select>
        </label>
        <label class="field">{text('percent')}<input name="percent" type="number" min={0} max={100} step={1} defaultValue={String(of.percent)} /></label>
      </div>
      <label class="field">
        {text('unhealthy')}
        <input name="unhealthy" class="mono" defaultValue={of.unhealthy} spellcheck={false} autocomplete="off" />
        <span class="hint">{text('unhealthy.hint')}</span>
      </label>
      <div><button type="submit" class="primary">{text('submit')}</button></div>
    </form>
  );
}
