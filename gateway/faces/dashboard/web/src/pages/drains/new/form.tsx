/** The draft, to be filled in. Every change stands in the address at once. */
import type { ClusterDocument } from '../../../api/types';
import { formatPercent } from '../../../i18n/formats';
import { words } from '../../../i18n/words';
import { freshnessName } from '../../../ui/badges';
import { ErrorState } from '../../../ui/states';
import { LONGEST_MINUTES, type DrainDraft, type LastOnes } from '../draft';
import { text } from '../messages';

const LAST: readonly LastOnes[] = ['refuse', 'leave', 'force'];

/** The form; `before` percent are taken from its target already. */
export function DraftForm(props: {
  draft: DrainDraft;
  clusters: readonly ClusterDocument[];
  before: number;
  error: Error | null;
  isTrying: boolean;
  onChange: (part: Partial<DrainDraft>) => void;
  onTry: () => void;
}) {
  const { draft, clusters, before, onChange } = props;
  const submit = (event: Event) => {
    event.preventDefault();
    props.onTry();
  };
  return (
    <form class="panel form" onSubmit={submit}>
      <label class="field">
        {text('draft.cluster')}
        <select required name="cluster" value={draft.cluster} onChange={(event) => onChange({ cluster: event.currentTarget.value })}>
          <option value="">{text('draft.choose')}</option>
          {clusters.map((it) => <option key={it.cluster} value={it.cluster}>{it.cluster} ({freshnessName(it.freshness)})</option>)}
        </select>
      </label>
      {before > 0 && <p class="note">{text('draft.now', { percent: formatPercent(before) })}</p>}
      <ServicesPart draft={draft} onChange={onChange} />
      <div class="form-row">
        <NumberField name="percent" label={text('draft.percent')} value={draft.percent} most={100} onChange={(percent) => onChange({ percent })} />
        <NumberField
          name="minutes" label={text('draft.minutes')} hint={text('draft.minutes.hint')} value={draft.minutes} most={LONGEST_MINUTES}
          onChange={(minutes) => onChange({ minutes })}
        />
      </div>
      <fieldset>
        <legend>{text('draft.last')}</legend>
        {LAST.map((last) => (
          <label key={last} class="check">
            <input type="radio" name="last" value={last} checked={draft.last === last} onChange={() => onChange({ last })} />
            {text(`draft.last.${last}`)}
          </label>
        ))}
      </fieldset>
      <label class="field">
        {text('draft.reason')}
        <input name="reason" maxLength={300} value={draft.reason} onInput={(event) => onChange({ reason: event.currentTarget.value })} />
      </label>
      {props.error && <ErrorState error={props.error} />}
      <div class="row">
        <button type="submit" class="primary" data-action="dry-run" data-acts="drain" disabled={props.isTrying || draft.cluster === ''}>
          {props.isTrying ? text('dry.running') : text('dry.run')}
        </button>
      </div>
    </form>
  );
}

function ServicesPart({ draft, onChange }: { draft: DrainDraft; onChange: (part: Partial<DrainDraft>) => void }) {
  return (
    <fieldset>
      <legend>{text('draft.services')}</legend>
      <p class="muted">{text('draft.services.hint')}</p>
      <div class="form-row">
        <PatternField name="ns" label={words('namespace')} value={draft.ns} onChange={(ns) => onChange({ ns })} />
        <PatternField name="group" label={words('group')} value={draft.group} onChange={(group) => onChange({ group })} />
        <PatternField name="service" label={words('service')} value={draft.service} onChange={(service) => onChange({ service })} />
      </div>
    </fieldset>
  );
}

function PatternField(props: { name: string; label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label class="field">
      {props.label}
      <input name={props.name} class="mono" spellcheck={false} autocomplete="off" value={props.value} onInput={(event) => props.onChange(event.currentTarget.value)} />
    </label>
  );
}

function NumberField(props: { name: string; label: string; hint?: string; value: number; most: number; onChange: (value: number) => void }) {
  const change = (event: { currentTarget: HTMLInputElement }) => {
    const { valueAsNumber, validity } = event.currentTarget;
    if (validity.valid && Number.isInteger(valueAsNumber)) props.onChange(valueAsNumber);
  };
  return (
    <label class="field">
      {props.label}
      <input name={props.name} type="number" required min={0} max={props.most} step={1} value={props.value} onInput={change} />
      {props.hint && <span class="hint">{props.hint}</span>}
    </label>
  );
}
